"""nmt translate: one line out for each line in, in order, in constant memory."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, TextIO

import hydra
from omegaconf import DictConfig

from nmt.commands.errors import reporting_mistakes
from nmt.commands.evaluate import given, run_decode
from nmt.config import changed, config_folder, register_schema
from nmt.data.lines import read_lines
from nmt.decoding.translate import Decode, Translation
from nmt.errors import UserError
from nmt.report.gallery import Drawn, Gallery
from nmt.run import Translator, open_run, read_config


def main() -> None:
    """Run `nmt translate`."""
    register_schema()
    run()


@hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="translate")
@reporting_mistakes
def run(cfg: DictConfig) -> None:
    """Translate standard input or a file to standard output or a file."""
    folder = given(cfg, "run")
    decode = changed(run_decode(read_config(folder)), cfg.decode)
    decode = replace(decode, n_best=cfg.n_best)
    interactive = cfg.input is None and sys.stdin.isatty()
    translator = open_run(folder, cfg.device, cfg.precision)
    lines = read_lines(Path(cfg.input)) if cfg.input else standard_input(interactive, translator)
    with output(cfg.output) as file:
        pairs = with_translations(translator, decode, lines, chunk=1 if interactive else 1024)
        for number, (line, translations) in enumerate(pairs, start=1):
            file.write(written(number, translations))
            if interactive:
                file.flush()
            if cfg.heatmap:
                draw(cfg, translator, decode, Drawn(number, line), translations[0])


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


def standard_input(interactive: bool, translator: Translator) -> Iterator[str]:
    r"""Yield the lines of standard input, UTF-8, split at \n; with a prompt at a terminal."""
    if interactive:
        languages = f"{translator.source_language} → {translator.target_language}"
        print(f"{languages}: a line to translate, Ctrl-D to end", file=sys.stderr)
    return decoded(sys.stdin.buffer, "standard input")


def decoded(lines: BinaryIO, name: str) -> Iterator[str]:
    """Decode lines of UTF-8. UserError with the number of a line that is not."""
    for number, line in enumerate(lines, start=1):
        try:
            yield line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{name}, line {number}: invalid UTF-8 ({error.reason}); convert the text first, "
                "for instance with iconv"
            ) from error


@contextmanager
def output(path: str | None) -> Iterator[TextIO]:
    """Open the file to write, which appears when it is whole; None: standard output."""
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
        yield sys.stdout
        return
    place = Path(path)
    partial = place.with_name(place.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        partial.replace(place)
    except OSError as error:
        raise UserError(f"output={path} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def written(number: int, translations: list[Translation]) -> str:
    """Return the best translation on a line, or, where there are more, all with rank and score."""
    if len(translations) == 1:
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
    gallery.draw(line, best.ids, best.text, "", step=0)


if __name__ == "__main__":
    main()
