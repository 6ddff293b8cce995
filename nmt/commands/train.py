"""nmt train: a new run, a sweep of runs, or a resumed one."""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from nmt.commands.again import repeated
from nmt.commands.changes import is_choice, with_values
from nmt.commands.errors import reporting_mistakes
from nmt.commands.paths import without_quotes
from nmt.commands.sweep import Planned, attempt, begin, conclude, fixed_keys, planned_runs
from nmt.config.schema import register_schema
from nmt.config.words import as_choice
from nmt.config.yamls import config_folder
from nmt.errors import UserError
from nmt.experiment.ends import ended
from nmt.experiment.experiment import train
from nmt.experiment.inherited import VOCABULARY
from nmt.experiment.opening import written_config
from nmt.hardware.process import prepare_process
from nmt.run import check_checkpoints
from nmt.runs.files import as_typed, resuming
from nmt.runs.folder import CONFIG, read_config
from nmt.terminal.console import console
from nmt.training.process_group import several

MACHINE = ("device", "precision", "threads", "products", "cache")
CHANGEABLE = ("train", "decode", *MACHINE)  # when a run is resumed, but for …
PLACES = ("data.dir", "data.train", "data.dev", "data.test", "synthetic.files")  # moved
FIXED = ("train.max_tokens", "train.watch")  # what the position in the data, the best score mean


def main() -> None:
    """Run `nmt train`: a new run, or with ``resume=`` and ``from=`` what another one has left."""
    words = sys.argv[1:]
    if not train_again(words):
        words = choices(words)
        Planned().runs = planned_runs(words)
        sys.argv[1:] = [*words, fixed_keys(words)]
        register_schema()
        new_run()
        conclude()


def train_again(words: list[str]) -> Path | None:
    """Train what ``resume=`` or ``from=`` names; return the run folder. None: neither is there."""
    resumed, repeats = given(words, "resume="), given(words, "from=")
    others = [word for word in words if not word.startswith(("resume=", "from="))]
    if resumed and repeats:
        raise UserError("resume= continues a run and from= starts a new one: remove one of them")
    if resumed:
        run = Path(resumed[-1])
        go_on(run, others)
        return run
    if repeats:
        refuse_beside_given(others)
        cfg, run = repeated(Path(repeats[-1]), with_tokenizers_of_init(others))
        train(cfg, run, None, resuming_new(run))
        return run
    return None


def choices(words: list[str]) -> list[str]:
    """Return the words of a new run as Hydra reads them. UserError for those that contradict."""
    refuse_beside_given(words)
    return [as_choice(word) for word in with_tokenizers_of_init(words)]


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="train")
@reporting_mistakes
def new_run(cfg: DictConfig) -> float:
    """Train in the folder that Hydra made; return the best dev score, for sweepers."""
    run = Path(HydraConfig.get().runtime.output_dir)
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return run_of_sweep(cfg, run)
    return train(cfg, run, None, resuming_new(run))


def refuse_beside_given(words: list[str]) -> None:
    """Raise UserError where tokenizers are given, beside a word that would make other pieces."""
    typed = list(map(without_quotes, words))
    for giver in ("tokenizer.run", "tokenizer.model"):
        values = given(typed, f"{giver}=")
        for word in words if values and values[-1] != "null" else ():
            key = word.lstrip("+").partition("=")[0]
            part, _, setting = key.partition(".")
            if key == "tokenizer" or (part == "tokenizer" and setting in VOCABULARY):
                raise UserError(
                    f"{word} beside {giver}={values[-1]}: the pieces are already fixed. Remove "
                    "one of them"
                )


def with_tokenizers_of_init(words: list[str]) -> list[str]:
    """Return arguments that also take the tokenizers of ``init=RUN``, unless they name others."""
    keys = {word.lstrip("+").partition("=")[0] for word in words}
    runs = given(words, "init=")
    own = "tokenizer", *(f"tokenizer.{key}" for key in ("run", "model", *VOCABULARY))
    if not runs or runs[-1] == "null" or not keys.isdisjoint(own):
        return words
    return [*words, "tokenizer.run=${init}", "tokenizer.model=null"]


def run_of_sweep(cfg: DictConfig, run: Path) -> float:
    """Train one run of a sweep, in a folder that may hold it already."""
    prepare_process()  # where a launcher has made a process of its own
    begin(run)
    before = written_config(run)
    if several():
        raise UserError("a sweep (-m) runs in one process: remove torchrun, or remove -m")
    again = f"the same command, with hydra.sweep.dir={as_typed(run.parent)}"
    return attempt(cfg, run, lambda: train(cfg, run, before, again))


def resuming_new(run: Path) -> str:
    """Return the command that resumes a new run. UserError where its folder holds one."""
    again = resuming(run)
    if (run / CONFIG).exists():
        raise UserError(
            f"{run} already has a run: `{again}` resumes it, hydra.run.dir=<folder> starts "
            "another one elsewhere"
        )
    return again


def given(words: list[str], prefix: str) -> list[str]:
    """Return what stands behind a prefix in the words that have it."""
    return [word.removeprefix(prefix) for word in words if word.startswith(prefix)]


def go_on(run: Path, overrides: list[str]) -> None:
    """Resume a run, or say that it is finished."""
    before = written_config(run)
    cfg = resumed_config(run, overrides)
    check_checkpoints(cfg, run)
    end = ended(cfg, run)
    if end:
        console().print(
            f"{run} is finished ({end.limit}); its scores are in {run / 'result.json'}. "
            f"To train it further: {resuming(run, *end.higher)}",
            markup=False,
        )
    else:
        train(cfg, run, before, resuming(run))


def resumed_config(run: Path, overrides: list[str]) -> DictConfig:
    """Read the configuration of a resumed run. UserError for a change that is not possible."""
    cfg = read_config(run)
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not equals:
            raise UserError(f"{override}: resume= can only be combined with settings, KEY=VALUE")
        if key in ("train", "decode"):
            raise UserError(f"{override}: with resume=, type single keys, such as decode.beam=1")
        changeable = key.split(".")[0] in CHANGEABLE or key in PLACES
        if not changeable or key in FIXED:
            single = OmegaConf.select(cfg, key) is not None and not is_choice(cfg, key)
            anew = f"nmt train from={as_typed(run)} {override}" if single else "nmt train ..."
            raise UserError(
                f"{override} cannot be changed when resuming. Changeable: "
                f"{', '.join(CHANGEABLE)} (except {' and '.join(FIXED)}) and the paths of data "
                f"files. For a different experiment start a new run: {anew}"
            )
    return with_values(cfg, overrides)
