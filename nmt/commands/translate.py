"""nmt translate: one line out for each line in, in order."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import tee
from pathlib import Path

import hydra
from omegaconf import DictConfig

from nmt.commands.beside import CHOICE, Translated, beside, check_beside
from nmt.commands.errors import reporting_mistakes
from nmt.commands.evaluate import PICTURES, given_runs, refuse_of_one, run_decode
from nmt.commands.output import require_file, text_file
from nmt.commands.prefixes import Prefixed, prefix_file, with_prefixes
from nmt.config.check import check
from nmt.config.schema import changed, register_schema
from nmt.config.yamls import config_folder
from nmt.data.lines import Repaired, require_readable, stream_lines
from nmt.decoding.decode import Decode
from nmt.decoding.translate import Translation
from nmt.errors import UserError
from nmt.run import Translator, open_runs
from nmt.runs.folder import read_config
from nmt.terminal.console import console, tell
from nmt.terminal.progress import showing

CHUNK = 1024  # lines that are read, translated and written at a time


def main() -> None:
    """Run `nmt translate`."""
    register_schema()
    run()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="translate")
@reporting_mistakes
def run(cfg: DictConfig) -> None:
    """Translate standard input or a file to standard output or a file."""
    folders = given_runs(cfg)
    if len(folders) > 1:
        refuse_of_one(cfg, ("heatmap", *PICTURES, "weights", "links", "of", *CHOICE))
    check(cfg)
    trained = read_config(folders[0])
    decode = changed(run_decode(trained), cfg.decode)
    decode = replace(decode, n_best=num_best(cfg))
    read = [cfg.input, prefix_file(cfg.prefix)]
    place = require_file("output", cfg.output, read) if cfg.output else None
    places = check_beside(cfg, read=[*read, cfg.output])
    interactive = cfg.input is None and sys.stdin.isatty()
    lines = Repaired(input_lines(cfg.input))
    pairs = with_prefixes(lines, cfg.prefix, cfg.input)
    with text_file("output", place) as file:
        with showing("opening the model"):
            opened = open_runs(folders, cfg.device, cfg.precision, cfg.mean)
        translator = opened.into(cfg.to)
        with beside(cfg, places, translator, trained, decode) as write_beside:
            if interactive:
                languages = translator.languages
                console().print(f"{languages}: type a line to translate; Ctrl-D ends", markup=False)
            chunk = 1 if interactive else CHUNK
            asking = asking_lines(translator, pairs, cfg.to)
            found = with_translations(translator, decode, asking, chunk)
            for block in moving(in_blocks(found, chunk), interactive):
                for number, _, translations in block:
                    file.write(written(number, translations, decode.n_best))
                if interactive:
                    file.flush()
                write_beside(block)
    if lines.num_broken:
        tell(repaired(lines))


def asking_lines(
    translator: Translator, lines: Iterable[Prefixed], language: str | None
) -> Iterator[Prefixed]:
    """Yield lines that ask for a language where the model has several, see `Translator.asking`."""
    for line in lines:
        (text,) = translator.asking([line.text], language)
        yield line._replace(text=text)


def num_best(cfg: DictConfig) -> int:
    """Return how many translations a line has: n_best and decode.n_best are one setting.

    UserError where they differ.
    """
    asked = {number for number in (cfg.n_best, cfg.decode.n_best) if number is not None}
    if len(asked) > 1:
        raise UserError(
            f"n_best={cfg.n_best} and decode.n_best={cfg.decode.n_best} are the same setting: "
            "remove one of them"
        )
    return asked.pop() if asked else 1


def with_translations(
    translator: Translator, decode: Decode, lines: Iterable[Prefixed], chunk: int
) -> Iterator[tuple[str, list[Translation]]]:
    """Yield every line with its translations; no more than ``chunk`` lines are held."""
    lines, texts, begun = tee(lines, 3)
    sources, prefixes = (line.text for line in texts), (line.prefix for line in begun)
    for translations in translator.stream(sources, decode, chunk, prefixes):
        yield next(lines).text, translations


def moving(blocks: Iterator[list[Translated]], interactive: bool) -> Iterator[list[Translated]]:
    """Yield blocks, and show while the next one is made that it is; not to who types its lines."""
    done = 0
    while True:
        with nullcontext() if interactive else showing(f"translating from line {done + 1:,} on"):
            block = next(blocks, None)
        if block is None:
            return
        yield block
        done += len(block)


def in_blocks(
    pairs: Iterable[tuple[str, list[Translation]]], most: int
) -> Iterator[list[Translated]]:
    """Yield lines with their numbers, some of them at a time; before an error, those there are."""
    block: list[Translated] = []
    try:
        for number, pair in enumerate(pairs, start=1):
            block.append(Translated(number, *pair))
            if len(block) == most:
                yield block
                block = []
    except Exception:
        if block:
            yield block
        raise
    if block:
        yield block


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
        f"{lines_were} not UTF-8, the first is line {lines.first_broken:,}: invalid bytes were "
        "translated as U+FFFD. Convert the text first, for instance with iconv"
    )


def written(number: int, translations: list[Translation], n_best: int) -> str:
    """Return the best translation on a line, or, where more are asked for, each with its score."""
    if n_best == 1:
        return translations[0].text + "\n"
    return "".join(
        f"{number}\t{rank}\t{translation.score:.4f}\t{translation.text}\n"
        for rank, translation in enumerate(translations, start=1)
    )
