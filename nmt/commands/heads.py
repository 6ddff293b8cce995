"""nmt heads: what a trained model loses without each of its heads."""

import os
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from nmt.commands.errors import reporting_mistakes
from nmt.commands.evaluate import (
    asking_lines,
    check_languages,
    given_run,
    one_best,
    split_names,
    take_languages,
)
from nmt.commands.output import folder_of_text, require_folder, require_unread
from nmt.config.check import check
from nmt.config.languages import with_first_pair
from nmt.config.schema import register_schema
from nmt.config.yamls import config_folder
from nmt.data.cache import cache_folder
from nmt.data.corpus import Corpus, Lines
from nmt.data.text import one_line
from nmt.errors import UserError
from nmt.evaluation.evaluate import REFERENCES, SOURCES, write_lines
from nmt.evaluation.heads import MEASURES, Lost, by_layers, without_each
from nmt.models.without import heads_of
from nmt.report.heads import draw_heads
from nmt.report.next_steps import nmt_command, show_next
from nmt.run import open_run
from nmt.runs.files import as_typed, write_json
from nmt.runs.folder import RESULT, read_config
from nmt.runs.sample import results_folder
from nmt.stages import part
from nmt.terminal.console import console
from nmt.terminal.progress import showing
from nmt.terminal.table import table

PICTURE = "heads.png"
SHOWN = 10  # heads in the table: those without which most is lost


def main() -> None:
    """Run `nmt heads`."""
    register_schema()
    run()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="heads")
@reporting_mistakes
def run(cfg: DictConfig) -> None:
    """Switch off one head after the other; write result.json and heads.png."""
    folder = given_run(cfg)
    trained = read_config(folder)
    take_languages(cfg, trained)
    cfg = with_first_pair(cfg)
    check(cfg)
    asked: Any = OmegaConf.to_object(cfg)
    data = cfg.data or trained.data
    check_languages(folder, trained, data)
    decode = one_best(trained, cfg)
    given = require_folder("output", cfg.output) if cfg.output else None
    corpus: Corpus = hydra.utils.instantiate(data)
    with showing("reading the corpus"):
        lines = asking_lines(trained, data, corpus.lines(cache_folder(cfg.cache), cfg.split))
    lines = beginning(lines, asked.sentences)
    kept = {
        SOURCES: [one_line(line) for line in lines.source],
        REFERENCES: [one_line(line) for line in lines.target],
    }
    names = [f"{name}-{asked.measure}" for name in split_names(data, cfg.split)]
    output = given or folder_of_text(results_folder(folder) / "heads", names, kept)
    require_unread(output, (RESULT, PICTURE, SOURCES, REFERENCES), corpus.paths())
    with showing("opening the model"):
        translator = open_run(folder, cfg.device, cfg.precision)
    heads = heads_of(translator.model)
    if not heads:
        raise UserError(f"{folder} has only single-head attention, so no head can be switched off")
    measure = MEASURES[asked.measure]
    lost: list[Lost] = []
    with showing("measuring with all heads"):
        whole = measure.of(translator, lines, decode)
        for one in without_each(translator, lines, decode, measure, whole):
            lost.append(one)
            part(f"measuring without each head: {len(lost)} of {len(heads)}")
    output.mkdir(parents=True, exist_ok=True)
    write_lines(output / SOURCES, lines.source)
    write_lines(output / REFERENCES, lines.target)
    write_json(
        output / RESULT,
        {
            "run": os.path.relpath(folder, output),
            "weights": translator.weights,
            "data": OmegaConf.to_container(data),
            "split": cfg.split,
            "sentences": len(lines.source),
            "measure": asked.measure,
            "unit": measure.unit,
            "whole": whole,
            "heads": [
                {"head": one.head.name, asked.measure: one.value, "lost": one.lost} for one in lost
            ],
        },
    )
    draw_heads(by_layers(lost), measure.unit, output / PICTURE)
    worst = sorted(lost, key=lambda one: -one.lost)
    header = ("without", asked.measure, f"lost, {measure.unit}")
    rows = [[one.head.name, one.value, one.lost] for one in worst[:SHOWN]]
    console().print(table(header, [["none", whole, 0.0], *rows]))
    console().print(f"{output}: all {len(lost)} heads in {RESULT}, and {PICTURE}", markup=False)
    words = f"run={as_typed(folder)}", f"split={cfg.split}", f"'without=[{worst[-1].head.name}]'"
    show_next(console(), [nmt_command("evaluate", *words)])


def beginning(lines: Lines, number: int | None) -> Lines:
    """Return the first sentences of a text; None: all."""
    return Lines(lines.source[:number], lines.target[:number])
