"""The runs of a sweep: each is started, resumed or skipped; a failure does not stop the others."""

import traceback
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.singleton import Singleton
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from nmt.commands.errors import in_words
from nmt.comparison.runs import Run, read_run, run_folders
from nmt.config.settings import settings
from nmt.errors import UserError
from nmt.experiment.inherited import with_tokenizer_settings
from nmt.metrics.watch import worst
from nmt.report.hparams import write_columns
from nmt.report.next_steps import nmt_command, show_next
from nmt.runs.files import as_typed
from nmt.runs.folder import CONFIG, FAILURE, RESULT, read_config, trained_on
from nmt.runs.foreign import read_json
from nmt.terminal.console import console, printable, tell
from nmt.terminal.table import Cell, table
from nmt.training.room import Taken

BESIDE = f".{FAILURE}"  # behind the name of a folder that is another training's
ended: list[Path] = []  # folders of the sweeps of this process


class Ended(Callback):
    """Tells this process, which launches the runs wherever they run, where a sweep has been."""

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Keep the folder. Hydra hides what is raised here, so nothing is done with it yet."""
        ended.append(Path(config.hydra.sweep.dir))


def begin(run: Path) -> None:
    """Say which run of the sweep begins: 2/6 attention=none seed=2."""
    job = HydraConfig.get().job
    place = f"{job.num + 1}/{Planned().runs}" if Planned().runs else f"run {job.num + 1}"
    name = job.override_dirname.replace(",", " ") or run.name
    console().print(f"\n{place} {name}", markup=False, style="bold")


class Planned(metaclass=Singleton):
    """How many runs the sweep of this process has. Hydra gives its singletons to its launchers."""

    def __init__(self) -> None:
        self.runs: int | None = None  # None: a sweeper decides while it runs


def planned_runs(words: list[str]) -> int | None:
    """Return how many runs are typed; None: that is not known before they run."""
    if any(word.startswith(("hydra/sweeper", "hydra.sweeper")) for word in words):
        return None
    written = [word for word in words if "=" in word and not word.startswith("-")]
    typed = OverridesParser.create().parse_overrides(written)
    swept = [one for one in typed if one.is_sweep_override()]
    if not all(one.is_choice_sweep() or one.is_range_sweep() for one in swept):
        return None
    return prod(len(list(one.sweep_iterator())) for one in swept)


def fixed_keys(words: list[str]) -> str:
    """Tell Hydra, in a word, which of the typed settings are the same in every run of a sweep.

    The others name the run folders, see `nmt.config.schema.swept`. It goes with the runs to other
    processes and machines, which see nothing of what was typed.
    """
    written = [word for word in words if "=" in word and not word.startswith("-")]
    typed = OverridesParser.create().parse_overrides(written)
    keys = [one.get_key_element() for one in typed if not one.is_sweep_override()]
    own = [key for key in keys if not key.startswith("hydra")]
    quoted = ",".join(f"'{key}'" for key in own)
    return f"hydra.job.config.override_dirname.exclude_keys=[{quoted}]"


def attempt(cfg: DictConfig, run: Path, train: Callable[[], float]) -> float:
    """Return the best dev score of one run of a sweep; the worst there can be: it failed.

    Not nan, at which Optuna's sweeper ends. A finished run is not trained again. Why a run failed
    is left in its folder, and beside it where that is another training's: the first line says it in
    short, and below it stands the traceback where the mistake is not the user's.
    """
    try:
        beside(run).unlink(missing_ok=True)
        best = finished(cfg, run)
        if best is None:
            return train()
        (run / FAILURE).unlink(missing_ok=True)
        console().print(f"{run} is finished, skipped", markup=False)
        return best
    except Exception as error:
        note(error, run)
        return worst(cfg.train.watch)


def note(error: Exception, run: Path) -> None:
    """Write why a run failed into its folder, and say it; see :func:`attempt`."""
    message = in_words(error)
    trace = "" if message else "".join(traceback.format_exception(error))
    summary = message or traceback.format_exception_only(error)[-1].strip()
    run.mkdir(parents=True, exist_ok=True)
    told = printable(f"{summary}\n{trace and chr(10) + trace}")
    failure = beside(run) if isinstance(error, Taken) else run / FAILURE
    failure.write_text(told, encoding="utf-8")
    tell(summary, f"nmt: {run.name}")


def beside(run: Path) -> Path:
    """Return the file that says why a run was not trained where its folder is another's."""
    return run.with_name(run.name + BESIDE)


def finished(cfg: DictConfig, run: Path) -> float | None:
    """Return the best dev score of a run that has ended; None: it is still to be trained.

    Taken where the folder holds a run with other settings.
    """
    if not (run / CONFIG).exists():
        return None
    theirs, ours = (
        settings(OmegaConf.to_container(one, resolve=True))  # type: ignore[arg-type]
        for one in (read_config(run), with_tokenizer_settings(cfg))
    )
    different = sorted(k for k in theirs.keys() | ours.keys() if theirs.get(k) != ours.get(k))
    if different:
        key = different[0]
        raise Taken(
            f"{run} has a run with other settings: {key}={theirs.get(key)}, now "
            f"{ours.get(key)}. Repeat the arguments of that run, or use another hydra.sweep.dir"
        )
    if not (run / RESULT).is_file() or trained_on(run):
        return None
    watch = cfg.train.watch
    best = read_json(run / RESULT).get("best_dev")
    if not isinstance(best, dict) or not isinstance(best.get(watch, ""), int | float | None):
        raise UserError(
            f"{run / RESULT} has no best_dev: remove the file, and the run will be finished again"
        )
    return worst(watch) if best[watch] is None else best[watch]


def row(run: Run) -> tuple[str, Cell, Cell, Cell]:
    """Return a run's row in the table at the end of a sweep."""
    if beside(run.folder).exists():
        return run.folder.name, "not trained", "", ""
    if run.why:
        return run.folder.name, run.why.partition(":")[0], "", ""
    result = run.result
    return run.folder.name, result["bleu"], result["chrf"], result["seconds"] / 60


def conclude() -> None:
    """Show what came of the sweeps that have ended, and give TensorBoard their columns.

    UserError, with their names, where runs failed.
    """
    for sweep in ended:
        runs = [read_run(folder) for folder in run_folders(sweep)]
        if done := {run.folder: run.settings for run in runs if not run.why}:
            write_columns(sweep, done)
            console().print(table(("run", "BLEU", "chrF", "minutes"), map(row, runs)))
            if len(done) > 1:
                show_next(console(), [nmt_command("compare", as_typed(sweep))])
    inside = [file.parent for sweep in ended for file in sorted(sweep.glob(f"*/{FAILURE}"))]
    others = [file for sweep in ended for file in sorted(sweep.glob(f"*{BESIDE}"))]
    ended.clear()
    mistakes: list[str] = []
    if inside:
        mistakes.append(
            f"{len(inside)} of the runs in {inside[0].parent} failed, and {FAILURE} in the folder "
            f"of each says why: {'; '.join(run.name for run in inside)}"
        )
    if others:
        names = "; ".join(file.name.removesuffix(BESIDE) for file in others)
        mistakes.append(
            f"{len(others)} of the runs in {others[0].parent} were not trained, because their "
            f"folders belong to other trainings, and NAME{BESIDE} beside each says why: {names}"
        )
    if mistakes:
        raise UserError(". ".join(mistakes))
