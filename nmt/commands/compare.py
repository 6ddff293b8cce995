"""nmt compare: from the runs of a sweep to a report."""

import sys
from dataclasses import fields
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from nmt.commands.errors import reporting_mistakes
from nmt.commands.last import folder_compared
from nmt.commands.output import require_folder
from nmt.comparison.atlas import Wish, atlas
from nmt.comparison.comparison import compare, default_output
from nmt.comparison.report import write_report
from nmt.comparison.runs import find_runs
from nmt.comparison.terminal import print_comparison, print_grids
from nmt.config.check import check
from nmt.config.grammar import is_quoted, quoted
from nmt.config.schema import Compare, register_schema
from nmt.config.yamls import config_folder
from nmt.errors import UserError, at_least
from nmt.report.next_steps import nmt_command, show_next, tensorboard
from nmt.runs.files import as_typed
from nmt.stages import stage
from nmt.study.findings import Findings
from nmt.study.ledger import Ledger
from nmt.study.page import summary, write_page
from nmt.study.report import grids
from nmt.terminal.console import console
from nmt.terminal.progress import showing

NAMED = 3  # unfinished runs that are named with the command that finishes them
LEDGER = ".jsonl"
LISTS = ("folders", "allow", "sentences", "scores")


def main() -> None:
    """Run `nmt compare`."""
    sys.argv[1:] = as_settings(sys.argv[1:])
    register_schema()
    run()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="compare")
@reporting_mistakes
def run(cfg: DictConfig) -> None:
    """Compare the runs in and below folders, print the tables and write the report."""
    check(cfg)
    options: Compare = OmegaConf.to_object(cfg)  # type: ignore[assignment]
    at_least(0, {"num_sentences": options.num_sentences})
    if not options.folders:
        raise UserError(
            "which runs? Type their folder: nmt compare runs/sweep/...; `last` is the newest"
        )
    folders = [Path(folder) for folder in options.folders]
    if any(folder.suffix == LEDGER for folder in folders):
        compare_ledgers(folders, options)
        return
    with showing("reading the runs"):
        runs = find_runs(folders)
        output = require_folder("output", options.output or default_output(folders))
        scores = [Path(file) for file in options.scores]
        comparison = compare(runs, options.baseline, options.allow, scores)
        wish = Wish(options.sentences, options.num_sentences, options.device, options.precision)
        stage("drawing attention")
        shown = atlas(comparison, wish)
        comparison.notes += shown.notes
        write_report(comparison, shown, output)
    print_comparison(comparison)
    console().print(f"\n{output / 'index.html'}", markup=False)
    unfinished = [run.folder for run in runs if run.why.startswith("unfinished")][:NAMED]
    resumed = [nmt_command("train", f"resume={as_typed(run)}") for run in unfinished]
    show_next(console(), [*resumed, *map(tensorboard, folders)])


def compare_ledgers(paths: list[Path], options: Compare) -> None:
    """Print the tables of studies, and write their pages beside the ledgers or into ``output``.

    With another baseline than the studies' own they are only printed.
    """
    for path in paths:
        if path.suffix != LEDGER:
            raise UserError(f"{path}: ledgers ({LEDGER}) and run folders are compared separately")
    for key in ("allow", "sentences", "scores"):
        if getattr(options, key):
            raise UserError(f"{key}= is for run folders: remove it to compare ledgers")
    if options.baseline is not None and options.output:
        raise UserError(
            "a page has the baseline of its study, and others are only printed: remove output= or "
            "baseline="
        )
    for path in paths:
        with showing(f"testing the runs of {path}"):
            found = Findings.of(Ledger.at(path), options.baseline)
            output = require_folder("output", options.output) if options.output else path.parent
            tables, lines = grids(found), summary(found)
        print_grids(tables, lines)
        if options.baseline is not None:
            continue
        with showing("writing the page"):
            page = write_page(found, output)
        console().print(f"\n{page}", markup=False)


def as_settings(words: list[str]) -> list[str]:
    """Write folders as a setting, and quote what Hydra's grammar would take for something else.

    A folder may have = in its name, as the runs of a sweep do; a variant has commas too.
    """
    keys = {key.name for key in fields(Compare)}
    folders: list[str] = []
    rest: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key in keys:
            rest.append(f"{key}={as_hydra_reads(key, value)}")
        elif not word.startswith("-") and (not equals or Path(word).exists()):
            folders.append(quoted(folder_compared(word)))
        else:
            rest.append(word)
    return [*rest, f"folders=[{','.join(folders)}]"] if folders else rest


def as_hydra_reads(key: str, value: str) -> str:
    """Quote a name; put a list that was typed without brackets into them."""
    if key in LISTS and not value.startswith("["):
        return f"[{value}]"
    if key == "baseline" and value != "null" and not is_quoted(value):
        return quoted(value)
    return value
