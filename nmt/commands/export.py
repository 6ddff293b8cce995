"""nmt export: a trained model as a folder for CTranslate2 or Hugging Face transformers."""

import hydra
from omegaconf import DictConfig, OmegaConf

from nmt.commands.errors import reporting_mistakes
from nmt.commands.evaluate import given_runs
from nmt.commands.output import require_folder
from nmt.config.check import check
from nmt.config.schema import Export, register_schema
from nmt.config.yamls import config_folder
from nmt.errors import UserError
from nmt.export.card import CARD
from nmt.export.export import TARGETS, export
from nmt.report.next_steps import show_next
from nmt.runs.files import as_typed
from nmt.terminal.console import console


def main() -> None:
    """Run `nmt export`."""
    register_schema()
    run()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="export")
@reporting_mistakes
def run(cfg: DictConfig) -> None:
    """Write the folder, and say how far the exported model is from the original."""
    folder, *others = given_runs(cfg)
    if others:
        raise UserError(f"run= names {1 + len(others)} runs: an ensemble is not exported, name one")
    if OmegaConf.is_missing(cfg, "to"):
        raise UserError(f"for which program? Give to={' or to='.join(TARGETS)}")
    check(cfg)
    asked: Export = OmegaConf.to_object(cfg)  # type: ignore[assignment]
    output = require_folder("output", asked.output) if asked.output else None
    with console().status(f"writing the model, and comparing what {asked.to} makes of it"):
        made = export(folder, asked.to, output, asked.quantization)
    console().print(
        f"{made.folder}: ln P of a piece differs from the original by {made.difference:.1g} nats "
        "at most, on random sentences",
        markup=False,
    )
    show_next(console(), [f"cat {as_typed(made.folder / CARD)}"])
