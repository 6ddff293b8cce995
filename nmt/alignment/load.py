"""Where sentence pairs to align come from: files, or a corpus with or without gold links."""

from pathlib import Path

from nmt.data.aligned import Aligned
from nmt.data.corpus import Corpus
from nmt.decoding.decode import Decode
from nmt.errors import UserError
from nmt.links.bitext import (
    Bitext,
    BitextFiles,
    Side,
    of_lines,
    read_side,
    side_of,
    with_aligned,
    with_gold,
    with_words,
)
from nmt.run import Translator

Languages = tuple[str, str]  # source, target


def load(
    files: BitextFiles, corpus: Corpus, split: str, cache: Path, languages: Languages
) -> Bitext:
    """Read a text with its references: files where they are named, else a split of the corpus.

    Its links are those of the file `gold`, or the corpus's own.
    """
    if files.source or files.target:
        text = read(files, languages)
    else:
        check_whole(files)
        text = of_lines(corpus.lines(cache, split), languages, f"the corpus's {split} split")
        if isinstance(corpus, Aligned) and not files.gold:
            aligned = corpus.aligned(split)
            for key in ("source_words", "target_words") if aligned is not None else ():
                if getattr(files, key):
                    raise UserError(
                        f"{key}={getattr(files, key)}: this corpus has links between words of its "
                        "own: remove it, or add gold=FILE"
                    )
            text = text if aligned is None else with_aligned(text, aligned)
    source = with_words(text.source, "source_words", files.source_words)
    target = with_words(text.target, "target_words", files.target_words)
    return with_gold(text._replace(source=source, target=target), files)


def load_dev(
    files: BitextFiles, corpus: Corpus, cache: Path, languages: Languages
) -> Bitext | None:
    """Read dev sentences with gold links: from files, or a corpus that has some; None: neither."""
    if files.source and not files.gold:
        raise UserError(f"dev.source={files.source} is for gold links: add dev.gold=FILE")
    if not files.source and not files.gold and not isinstance(corpus, Aligned):
        return None
    text = load(files, corpus, "dev", cache, languages)
    return None if text.gold is None else text


def load_source(
    files: BitextFiles, corpus: Corpus, split: str, cache: Path, languages: Languages
) -> Side:
    """Read the source alone, which is going to be translated. UserError where gold is given."""
    for key in ("target", "target_words", "gold"):
        if getattr(files, key):
            raise UserError(
                f"{key}={getattr(files, key)} is about references, but hypothesis=true aligns "
                "the model's own translations: remove one of them"
            )
    if files.source:
        side = read_side(files.source, languages[0], files.detokenize)
    else:
        check_whole(files)
        side = of_lines(corpus.lines(cache, split), languages, f"the {split} split").source
    return with_words(side, "source_words", files.source_words)


def asking(side: Side, translator: Translator, language: str | None) -> Side:
    """Return a source whose lines ask for a language, see `Translator.asking`.

    UserError for a line that asks for none, but has to.
    """
    lines = list(translator.asking(side.lines, language))
    translator.require_asking(lines)
    return side._replace(lines=lines)


def translated(translator: Translator, source: Side, decode: Decode) -> Bitext:
    """Return the source with what the model makes of it."""
    hypotheses = [best[0].text for best in translator(source.lines, decode)]
    return Bitext(source, side_of(hypotheses, translator.target_language, "the translations"))


def read(files: BitextFiles, languages: Languages) -> Bitext:
    """Read the two files of text. UserError where one is missing or they are not as long."""
    if not files.source or not files.target:
        given, missing = ("source", "target") if files.source else ("target", "source")
        raise UserError(f"{given}={getattr(files, given)} needs the other side: {missing}=FILE")
    source, target = (
        read_side(path, language, files.detokenize)
        for path, language in zip((files.source, files.target), languages, strict=True)
    )
    if len(source.lines) != len(target.lines):
        raise UserError(
            f"{files.source} has {len(source.lines):,} lines and {files.target} has "
            f"{len(target.lines):,}: line n of both must translate each other"
        )
    return Bitext(source, target)


def check_whole(files: BitextFiles) -> None:
    """Raise UserError for detokenize where no words are given to make text of."""
    if files.detokenize:
        raise UserError("detokenize=true needs tokenized text: pass source=FILE target=FILE")
