"""nmt bench: how fast a configuration trains and translates here."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from nmt.bench.decoding import measure_decoding
from nmt.bench.gemm import gemm_rate
from nmt.bench.sentences import random_corpus
from nmt.bench.speed import NOTE, Machine, Speed
from nmt.bench.training import measure_training
from nmt.commands.errors import reporting_mistakes
from nmt.commands.output import require_file
from nmt.config.schema import Bench, register_schema
from nmt.config.words import as_choice
from nmt.config.yamls import config_folder
from nmt.errors import UserError
from nmt.experiment.build import Parts, build, num_parameters
from nmt.experiment.cores import fixed_cores
from nmt.hardware.memory import TO_TRANSLATE, enough_memory
from nmt.hardware.runtime import kernels, seed_everything
from nmt.runs.files import write_json
from nmt.runs.folder import stored
from nmt.terminal.console import WIDTH, PlainConsole
from nmt.terminal.table import table
from nmt.training.ranks import Ranks


def main() -> None:
    """Run `nmt bench`."""
    sys.argv[1:] = [as_choice(word) for word in sys.argv[1:]]
    register_schema()
    run()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="bench")
@reporting_mistakes
def run(cfg: DictConfig) -> None:
    """Measure, print a table and write the figures."""
    with enough_memory(TO_TRANSLATE), fixed_cores(cfg) as cfg:  # for an update, the trainer says it
        parts = build(cfg, Ranks())
        refuse(cfg)
        speed = measure(parts)
    if cfg.output:
        write_json(require_file("output", cfg.output), {**speed.figures(), "config": stored(cfg)})
    console = PlainConsole(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH)
    console.print(table(("", "measured"), speed.rows()))
    if speed.training:
        console.print(NOTE, markup=False)
    for part, operators in speed.profiles():
        console.print(table((f"{part}: operator", "its own time", "calls"), operators))


def refuse(cfg: DictConfig) -> None:
    """Raise UserError for what cannot be measured, and for a file that cannot be written."""
    if cfg.guide:
        raise UserError("guide=…: random sentences have no links; remove it")
    for key in ("tokenizer.run", "tokenizer.model", "init"):
        if given := OmegaConf.select(cfg, key):
            raise UserError(f"{key}={given}: random sentences have none; remove it")
    if cfg.bench.length > cfg.train.max_tokens:
        raise UserError(
            f"bench.length={cfg.bench.length}: a sentence does not fit into a batch of "
            f"train.max_tokens={cfg.train.max_tokens}"
        )
    if cfg.bench.sentences and cfg.decode.method != "beam":
        raise UserError(
            f"decode.method={cfg.decode.method}: only the speed of a beam search is measured; "
            "remove it, or add bench.sentences=0"
        )
    if cfg.train.max_epochs is not None:
        raise UserError(
            f"train.max_epochs={cfg.train.max_epochs}: random sentences have no last epoch; "
            "remove it"
        )
    if cfg.output and not require_file("output", cfg.output).parent.is_dir():
        raise UserError(f"output={cfg.output}: there is no folder {Path(cfg.output).parent}")


def measure(parts: Parts) -> Speed:
    """Measure what ``bench`` asks for."""
    cfg, device, precision = parts.config, parts.device, parts.precision
    bench: Bench = OmegaConf.to_object(cfg.bench)  # type: ignore[assignment]
    seed_everything(cfg.seed, device, cfg.deterministic)
    corpus = random_corpus(
        bench.vocabulary, bench.length, parts.train.max_tokens, bench.sentences, cfg.seed
    )
    translator = parts.translator(corpus, Ranks())
    with kernels(device):
        machine = Machine.of(device, precision, gemm_rate(device, precision))
        training = measure_training(parts, bench, corpus, translator) if bench.updates else None
        decoding = measure_decoding(parts, bench, corpus, translator) if bench.sentences else None
    return Speed(machine, num_parameters(translator.model), training, decoding)
