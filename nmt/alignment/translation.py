"""Word links of a model's own translations, from the attention that is known to align best."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from nmt.alignment.attention import Reading, argmax_links, attention_links, shape
from nmt.alignment.choice import BEST, Asked, described
from nmt.data.tokenizer import PIECE_CHARACTERS, Tokenizer
from nmt.errors import UserError, one_of
from nmt.links.bitext import Bitext, side_of
from nmt.links.links import Links
from nmt.models.attention_maps import inside
from nmt.models.contributions import MEASURES, Measure
from nmt.models.seq2seq import Kind
from nmt.run import Translator
from nmt.runs.folder import RESULT
from nmt.runs.foreign import read_json
from nmt.runs.sample import results_folder

MEAN = Asked(None, None, False)
TO_FIND = f"layer={BEST} head={BEST} shift={BEST}"


class Choice(NamedTuple):
    """Which attention is read."""

    reading: Reading
    measure: Measure  # what is read of it
    words: str  # which it is, and how it was chosen


class Known(NamedTuple):
    """An attention that is said to align well."""

    asked: Asked
    why: str
    of: str = "weights"


def choose(translator: Translator, run: Path, trained: DictConfig, known: Known | None) -> Choice:
    """Choose the attention that links words: the one that the user knows, else the best known.

    That is the one that links taught in training (``guide=``), else the one that `nmt align` found
    to be the best on gold links, the last time it was asked to, else the mean of all. UserError
    for an attention that the model does not have.
    """
    layers = shape(translator)
    if layers is None:
        raise UserError(f"{run} has attention=none, so it has no word links")
    asked, why, of = known or best_known(translator, run, trained, layers.layers)
    one_of(tuple(MEASURES), {"of": of})
    if BEST in asked:
        raise UserError(
            f"the best attention is found by nmt align {TO_FIND}, with gold links. Remove "
            "layer, head and shift here: its result is used automatically"
        )
    found = shape(translator, MEASURES[of])
    assert found is not None
    (reading,) = asked.readings(found, str(run))
    return Choice(reading, MEASURES[of], f"{of}: {described(reading, found)} ({why})")


def best_known(translator: Translator, run: Path, trained: DictConfig, layers: int) -> Known:
    """Return the attention that aligns best, as far as a run folder tells."""
    if trained.guide:
        attends = translator.model.attentions()[Kind.SOURCE_TARGET]
        taught = sum(bool(inside(one)) for one in attends)
        layer = (trained.guide.layer or max(taught - 1, 1)) * layers // taught  # its last hop
        asked = Asked(layer, trained.guide.head, trained.guide.shift)
        return Known(asked, "supervised by links in training")
    found = (results_folder(run) / "alignment").glob(f"*/{RESULT}")
    results = sorted(found, key=lambda path: path.stat().st_mtime)
    for path in reversed(results):
        result = read_json(path)
        reading = result.get("reading")
        of_model = result.get("weights") == translator.weights
        if of_model and isinstance(reading, dict) and "dev_aer" in reading:
            shift = reading.get("shift", False)
            asked = Asked(reading.get("layer"), reading.get("head"), shift)
            return Known(asked, f"the best of {path}", str(reading.get("of", "weights")))
    return Known(
        MEAN, f"the best attention is not known; nmt align {TO_FIND} finds it, with gold links"
    )


def translation_links(
    translator: Translator,
    sources: Sequence[str],
    translations: Sequence[str],
    choice: Choice,
    max_source: int,
) -> list[Links]:
    """Return the links of the words of each source and its translation.

    Words are those of `nmt align hypothesis=true`; of a source, as much as a search reads.
    """
    read = [beginning(translator.source_tokenizer, line, max_source) for line in sources]
    source = side_of(read, translator.source_language, "the text")
    target = side_of(translations, translator.target_language, "the translations")
    text = Bitext(source, target)
    return attention_links(translator, text, choice.reading, argmax_links, choice.measure)[0]


def beginning(tokenizer: Tokenizer, line: str, most: int) -> str:
    """Return a line, or what its first ``most`` pieces stand for."""
    line = line[: most * PIECE_CHARACTERS]
    (pieces,) = tokenizer.encode_with_spans([line])
    return line if len(pieces.ids) <= most else line[: pieces.spans[most - 1][1]]
