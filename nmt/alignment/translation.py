"""Word links of a model's own translations, from the attention that is known to align best."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from nmt.alignment.attention import Reading, argmax_links, attention_links, shape
from nmt.alignment.choice import BEST, Asked, described
from nmt.data.tokenizer import PIECE_CHARACTERS, Tokenizer
from nmt.errors import UserError
from nmt.links.bitext import Bitext, side_of
from nmt.links.links import Links
from nmt.models.attention_maps import inside
from nmt.models.seq2seq import Kind
from nmt.run import Translator
from nmt.runs.folder import RESULT
from nmt.runs.foreign import read_json

MEAN = Asked(None, None, False)
TO_FIND = f"layer={BEST} head={BEST} shift={BEST}"


class Choice(NamedTuple):
    """Which attention is read."""

    reading: Reading
    words: str  # which it is, and how it was chosen


def choose(translator: Translator, run: Path, trained: DictConfig, asked: Asked | None) -> Choice:
    """Choose the attention that links words: the one that is asked for, else the best known.

    That is the one that links taught in training (``guide=``), else the one that `nmt align` found
    to be the best on gold links, the last time it was asked to, else the mean of all. UserError
    for an attention that the model does not have.
    """
    found = shape(translator)
    if found is None:
        raise UserError(f"{run} has attention=none: it looks nowhere, so there are no links")
    why = "as asked for"
    if asked is None:
        asked, why = best_known(translator, run, trained, found.layers)
    if BEST in asked:
        raise UserError(
            f"the best attention is found by nmt align {TO_FIND}, with gold links. Leave out "
            "layer, head and shift here: what it finds is taken by itself"
        )
    (reading,) = asked.readings(found, str(run))
    return Choice(reading, f"{described(reading, found)} ({why})")


def best_known(
    translator: Translator, run: Path, trained: DictConfig, layers: int
) -> tuple[Asked, str]:
    """Return the attention that aligns best, as far as a run folder tells, and how it is known."""
    if trained.guide:
        taught = len(
            [one for one in translator.model.attentions()[Kind.SOURCE_TARGET] if inside(one)]
        )
        layer = (trained.guide.layer or max(taught - 1, 1)) * layers // taught  # its last hop
        return Asked(layer, trained.guide.head, trained.guide.shift), "taught by links in training"
    results = sorted((run / "alignment").glob(f"*/{RESULT}"), key=lambda path: path.stat().st_mtime)
    for path in reversed(results):
        result = read_json(path)
        reading = result.get("reading")
        of_model = result.get("weights") == translator.weights
        if of_model and isinstance(reading, dict) and "dev_aer" in reading:
            keys = ("layer", "head", "shift")
            return Asked(*(reading.get(key) for key in keys)), f"the best of {path}"
    return (
        MEAN,
        "which of all aligns best is not known; nmt align layer=best head=best shift=best finds it",
    )


def translation_links(
    translator: Translator,
    sources: Sequence[str],
    translations: Sequence[str],
    reading: Reading,
    max_source: int,
) -> list[Links]:
    """Return the links of the words of each source and its translation.

    Words are those of `nmt align hypothesis=true`; of a source, as much as a search reads.
    """
    read = [beginning(translator.source_tokenizer, line, max_source) for line in sources]
    source = side_of(read, translator.source_language, "the text")
    target = side_of(translations, translator.target_language, "the translations")
    return attention_links(translator, Bitext(source, target), reading, argmax_links)[0]


def beginning(tokenizer: Tokenizer, line: str, most: int) -> str:
    """Return a line, or what its first ``most`` pieces stand for."""
    (pieces,) = tokenizer.encode_with_spans([line[: most * PIECE_CHARACTERS]])
    return line if len(pieces.ids) <= most else line[: pieces.spans[most - 1][1]]
