"""nmt translate: one line out for each line in, in order."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import hydra
from omegaconf import DictConfig

from nmt.commands.errors import reporting_mistakes
from nmt.commands.evaluate import given_run, run_decode
from nmt.commands.output import require_file, require_folder
from nmt.config.check import check
from nmt.config.schema import changed, register_schema
from nmt.config.yamls import config_folder
from nmt.data.lines import Repaired, require_readable, stream_lines
from nmt.decoding.translate import Decode, Translation
from nmt.errors import UserError
from nmt.models.attention_maps import attends
from nmt.report.gallery import Drawn, Gallery, Occasion
from nmt.run import Translator, open_run
from nmt.runs.files import replacing
from nmt.runs.folder import read_config
from nmt.terminal.console import console, tell


def main() -> None:
    """Run `nmt translate`."""
    register_schema()
    run()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="translate")
@reporting_mistakes
def run(cfg: DictConfig) -> None:
    """Translate standard input or a file to standard output or a file."""
    folder = given_run(cfg)
    check(cfg)
    decode = changed(run_decode(read_config(folder)), cfg.decode)
    decode = replace(decode, n_best=num_best(cfg))
    place = require_file("output", cfg.output, read=[cfg.input]) if cfg.output else None
    if cfg.heatmap:
        require_folder("heatmap", cfg.heatmap)
    interactive = cfg.input is None and sys.stdin.isatty()
    lines = Repaired(input_lines(cfg.input))
    with output(place) as file:
        translator = open_run(folder, cfg.device, cfg.precision)
        if cfg.heatmap and not attends(translator.model):
            raise UserError(f"heatmap={cfg.heatmap}: {folder} has attention=none, nothing to draw")
        if cfg.heatmap:
            Path(cfg.heatmap).mkdir(parents=True, exist_ok=True)
        if interactive:
            languages = f"{translator.source_language} → {translator.target_language}"
            console().print(f"{languages}: a line to translate, Ctrl-D to end", markup=False)
        pairs = with_translations(translator, decode, lines, chunk=1 if interactive else 1024)
        for number, (line, translations) in enumerate(pairs, start=1):
            file.write(written(number, translations, decode.n_best))
            if interactive:
                file.flush()
            if cfg.heatmap:
                draw(cfg, translator, decode, Drawn(number, line), translations[0])
    if lines.num_broken:
        tell(repaired(lines))


def num_best(cfg: DictConfig) -> int:
    """Return how many translations a line has: n_best and decode.n_best are one setting.

    UserError where they differ.
    """
    asked = {number for number in (cfg.n_best, cfg.decode.n_best) if number is not None}
    if len(asked) > 1:
        raise UserError(
            f"n_best={cfg.n_best} and decode.n_best={cfg.decode.n_best} are the same setting: "
            "leave one of them out"
        )
    return asked.pop() if asked else 1


def with_translations(
    translator: Translator, decode: Decode, lines: Iterable[str], chunk: int
) -> Iterator[tuple[str, list[Translation]]]:
    """Yield every line with its translations; no more than ``chunk`` lines are held."""
    held: list[str] = []

    def holding() -> Iterator[str]:
        for line in lines:
            held.append(line)
            yield line

    for translations in translator.stream(holding(), decode, chunk):
        yield held.pop(0), translations


def input_lines(path: str | None) -> Iterable[bytes]:
    """Return the lines of a file, read as they are asked for; None: of standard input."""
    if path is None:
        return stream_lines(sys.stdin.buffer)
    require_readable(Path(path))
    return stream_lines(Path(path))


def repaired(lines: Repaired) -> str:
    """Return the warning that not all of the text could be read."""
    lines_were = "1 line was" if lines.num_broken == 1 else f"{lines.num_broken:,} lines were"
    return (
        f"{lines_were} not UTF-8, the first is line {lines.first_broken:,}: what could not be "
        "read was translated as U+FFFD. Convert the text first, for instance with iconv"
    )


@contextmanager
def output(path: Path | None) -> Iterator[TextIO]:
    """Open the file to write, which appears when it is whole; None: standard output."""
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
        yield sys.stdout
        return
    with replacing(path) as partial:
        try:
            file = partial.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise UserError(f"output={path} cannot be written: {error.strerror}") from error
        with file:
            yield file


def written(number: int, translations: list[Translation], n_best: int) -> str:
    """Return the best translation on a line, or, where more are asked for, each with its score."""
    if n_best == 1:
        return translations[0].text + "\n"
    return "".join(
        f"{number}\t{rank}\t{translation.score:.4f}\t{translation.text}\n"
        for rank, translation in enumerate(translations, start=1)
    )


def draw(
    cfg: DictConfig, translator: Translator, decode: Decode, line: Drawn, best: Translation
) -> None:
    """Draw the attention of one sentence into the folder ``heatmap``."""
    gallery = Gallery(translator, decode, [line], Path(cfg.heatmap), cfg.heatmap_words)
    gallery.draw(line, best.ids, [line.source, best.text], Occasion())
