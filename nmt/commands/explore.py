"""nmt explore: where one or several runs look, as a page that one can touch."""

import sys
from contextlib import suppress
from dataclasses import fields
from functools import partial
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from nmt.alignment.explorer import best_head
from nmt.commands.errors import reporting_mistakes
from nmt.commands.evaluate import run_decode
from nmt.commands.last import named
from nmt.commands.output import require_file
from nmt.commands.serving import Answer, Live
from nmt.comparison.comparison import default_output
from nmt.config.check import check
from nmt.config.grammar import is_quoted, quoted
from nmt.config.schema import Explore, register_schema
from nmt.config.yamls import config_folder
from nmt.errors import UserError
from nmt.evaluation.explorer import (
    EXPLORER,
    LIMIT,
    SOURCES,
    Shown,
    as_page,
    looks_nowhere,
    names_of,
    of_rows,
    of_run,
)
from nmt.evaluation.live import answer
from nmt.models.attention_maps import attends
from nmt.report.next_steps import nmt_command, show_next
from nmt.report.weights import Weights, load_weights
from nmt.run import open_run
from nmt.runs.files import as_typed, lines_of, write
from nmt.runs.folder import read_config
from nmt.runs.sample import results_folder
from nmt.terminal.console import console
from nmt.terminal.progress import showing


def main() -> None:
    """Run `nmt explore`."""
    sys.argv[1:] = as_settings(sys.argv[1:])
    register_schema()
    run()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="explore")
@reporting_mistakes
def run(cfg: DictConfig) -> None:
    """Write the page of runs, or of files of weights."""
    check(cfg)
    asked: Explore = OmegaConf.to_object(cfg)  # type: ignore[assignment]
    if not asked.runs:
        raise UserError("which run? Type its folder: nmt explore RUN; `last` is the newest")
    paths = [Path(one) for one in asked.runs]
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: no such run folder, and no such file")
    if asked.serve:
        serve(asked, paths)
        return
    require_same_test([path for path in paths if path.is_dir()])
    output = place_of(asked, paths)
    names = names_of(paths)
    shown: list[Shown] = []
    for path, name in zip(paths, names, strict=True):
        with showing(f"reading {path}"):
            shown.append(explored(path, name, asked, LIMIT // len(paths)))
    output.parent.mkdir(parents=True, exist_ok=True)
    write(output, as_page(shown))
    for note in (note for one in shown for note in one.notes):
        console().print(note, markup=False)
    console().print(f"\n{output}", markup=False)
    runs = [path for path in paths if path.is_dir()]
    show_next(console(), [nmt_command("align", f"run={as_typed(path)}") for path in runs[:1]])


def serve(asked: Explore, paths: list[Path]) -> None:
    """Translate what is typed into a page, until Ctrl-C."""
    for key, given in {
        "output": asked.output,
        "sentences": asked.sentences,
        "of": asked.of,
    }.items():
        if given:
            raise UserError(f"{key}= is for a page in a file: remove it with serve=true")
    runs: dict[str, Answer] = {}
    for path, name in zip(paths, names_of(paths), strict=True):
        decode = run_decode(read_config(path))
        with showing(f"opening {path}"):
            translator = open_run(path, asked.device, asked.precision)
        if not attends(translator.model):
            raise looks_nowhere(path)
        runs[name] = partial(answer, translator, decode)
    with Live(runs, asked.port) as server, suppress(KeyboardInterrupt):
        console().print(f"{server.address}  (Ctrl-C to stop)", markup=False)
        server.serve_forever()


def explored(path: Path, name: str, asked: Explore, limit: int) -> Shown:
    """Return what a run folder, or a file of weights, has to show."""
    if path.is_dir():
        trained = read_config(path)
        translator = open_run(path, asked.device, asked.precision)
        best = best_head(translator, path, trained)
        return of_run(translator, path, name, best, limit, asked.sentences, asked.measures())
    rows = load_weights(path)
    return of_rows(name, [rows] if isinstance(rows, Weights) else rows, limit, asked.sentences)


def require_same_test(runs: list[Path]) -> None:
    """Raise UserError for runs that were tested on different sentences."""
    tests = [(run, run / SOURCES) for run in runs]
    known = [(run, lines_of(path)) for run, path in tests if path.is_file()]
    for one, lines in known:
        if lines != known[0][1]:
            raise UserError(
                f"{known[0][0]} and {one} were tested on different sentences: `nmt evaluate` tests "
                "each run on one text, and its folders can be explored alone"
            )


def place_of(asked: Explore, paths: list[Path]) -> Path:
    """Return the file to write. UserError where it cannot be written."""
    if asked.output:
        return require_file("output", asked.output, map(str, paths))
    first = paths[0]
    if len(paths) == 1 and not first.is_dir():
        return first.with_suffix(".html")
    return (
        results_folder(first) / EXPLORER
        if len(paths) == 1
        else default_output(paths).with_name(EXPLORER)
    )


def as_settings(words: list[str]) -> list[str]:
    """Write runs as a setting, quoted, since a folder may have = and commas in its name."""
    keys = {key.name for key in fields(Explore)}
    runs: list[str] = []
    rest: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if key == "run":
            runs.append(value if is_quoted(value) else quoted(value))
        elif equals and key in keys and key != "runs":
            bare = key in ("sentences", "of") and not value.startswith("[")
            rest.append(f"{key}=[{value}]" if bare else word)
        elif not word.startswith("-") and (not equals or Path(word).exists()):
            runs.append(quoted(named(f"run={word}").removeprefix("run=")))
        else:
            rest.append(word)
    return [*rest, f"runs=[{','.join(runs)}]"] if runs else rest
