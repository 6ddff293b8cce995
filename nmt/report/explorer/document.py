"""The data that `attention.js` shows: a document of runs, texts, moments and sentences.

::

    {"notes": [text], "place": the kind of attention that is shown first,
     "live": where a typed sentence is sent,
     "panels": how many runs are side by side, "orders": {name: [number of a sentence]},
     "runs": [{"name", "best": [layer, head] | null,
               "texts": [{"name", "moments": [{"step", "sentences": [sentence]}]}]}]}

A text is read once, or at several moments of a training. Sentences are told apart by their
numbers, which are the same in all moments and runs of a text. Of a sentence:

- ``number``, ``source``, ``target``, ``reference`` (text or null), ``log_p`` of each target piece;
- ``axes``: of ``source``, ``target`` and ``read`` the ``pieces``, how they are written (``labels``)
  and whether they begin a word (``begins``), the ``words``, and the ``word`` of each piece;
- ``places``: of ``cross``, ``encoder``, ``decoder`` the ``rows`` (names of its layers and hops),
  the ``heads`` (their names, if they are not numbered from 1) and ``values``: packed arrays
  (L,H,T,S) of ``weights``, and of other measures by their names;
- ``gold`` links in ``pieces`` and in ``words``: [source, target, is sure];
- ``label`` in the list of sentences; else its number and source;
- ``next``: beside each target piece the most probable others, [piece, probability].
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nmt.attention.place import Place
from nmt.data.language import spaceless
from nmt.report.labels import labels
from nmt.report.weights import Weights
from nmt.report.words import MARK, words

Json = dict[str, Any]

LEVELS = 255
BYTES_IN_BASE64 = 4 / 3
OVERHEAD = 600  # bytes of a sentence beside its arrays, about
FIRST = "<s>"
WEIGHTS = "weights"  # a measure that has a scale: all of a row is 1


def pack(array: np.ndarray, is_share: bool = True) -> Json:
    """Pack an array into 8 bits per number: w = low + (high - low) (q / 255)².

    The square keeps small weights apart. For weights from 0 to 1 the error is at most 0.004, and √w
    / 255 for a weight w. ``is_share``: a whole row is 1.
    """
    low = min(0.0, float(array.min(initial=0)))
    high = 1.0 if is_share else float(array.max(initial=0)) or 1.0
    codes = np.rint(LEVELS * np.sqrt(np.clip((array - low) / (high - low), 0, 1))).astype(np.uint8)
    data = base64.b64encode(codes.tobytes()).decode("ascii")
    return {"shape": list(array.shape), "low": low, "high": high, "share": is_share, "data": data}


def unpack(packed: Json) -> np.ndarray:
    """Return the numbers of :func:`pack`, as the page reads them: float64."""
    codes = np.frombuffer(base64.b64decode(packed["data"]), np.uint8).astype(float)
    values = packed["low"] + (packed["high"] - packed["low"]) * (codes / LEVELS) ** 2
    return values.reshape(packed["shape"])


def sentence(
    found: Weights,
    rows: Mapping[str, Sequence[str]] | None = None,
    reference: str | None = None,
    gold: Json | None = None,
) -> Json:
    """Return the record of a sentence. ``rows`` are the names of layers and hops of each place."""
    axes = {
        "source": axis(found.source_pieces, found.source_language),
        "target": axis(found.target_pieces, found.target_language),
    }
    if Place.DECODER.value in found.weights:
        axes["read"] = axis([FIRST, *found.target_pieces[:-1]], found.target_language)
    places = {
        place: {
            "rows": list((rows or {}).get(place, numbered(len(array)))),
            "values": {found.of: pack(array, is_share=found.of == WEIGHTS)},
        }
        for place, array in found.weights.items()
    }
    return {
        "number": found.line,
        "source": found.source,
        "target": found.target,
        "reference": reference,
        "log_p": [round(float(one), 4) for one in found.log_p],
        "axes": axes,
        "places": places,
        "gold": gold,
    }


def add_values(record: Json, found: Weights) -> Json:
    """Add the arrays of another measure over the same pieces, such as norms, to a record."""
    of = found.of
    for place, array in found.weights.items():
        record["places"][place]["values"][of] = pack(array, is_share=of == WEIGHTS)
    return record


def numbered(number: int) -> list[str]:
    """Name layers by their numbers."""
    return [f"layer {place + 1}" for place in range(number)]


def axis(pieces: Sequence[str], language: str) -> Json:
    """Return pieces with their words.

    A piece is its own word in a language without spaces, and where no piece marks a space.
    """
    found = labels(pieces, language)
    written = {
        "pieces": [*pieces],
        "labels": [one.text for one in found],
        "begins": [one.begins for one in found],
    }
    if spaceless(language) or not any(MARK in piece for piece in pieces):
        return {**written, "words": written["labels"], "word": [*range(len(pieces))]}
    texts, member = words([*pieces])
    return {**written, "words": texts, "word": member.argmax(1).tolist()}


def run(
    name: str, texts: Mapping[str, Sequence[Json]], best: Sequence[int | None] | None = None
) -> Json:
    """Return the record of a run: its texts with their moments; texts without any are left out.

    ``best`` are the layer and head, from 0, that align best as far as known; None in it is the
    mean.
    """
    shown = [{"name": key, "moments": list(found)} for key, found in texts.items() if found]
    return {"name": name, "best": list(best) if best else None, "texts": shown}


def moment(step: int, sentences: Iterable[Json]) -> Json:
    """Return the record of what a model does after an update."""
    return {"step": step, "sentences": list(sentences)}


def cost(num_source: int, num_target: int, sizes: Mapping[str, tuple[int, int]]) -> int:
    """Return how many bytes a sentence takes: S and T pieces, (L,H) of each place."""
    pairs = {
        Place.CROSS.value: num_target * num_source,
        Place.ENCODER.value: num_source**2,
        Place.DECODER.value: num_target**2,
    }
    numbers = sum(layers * heads * pairs[place] for place, (layers, heads) in sizes.items())
    return round(BYTES_IN_BASE64 * numbers) + OVERHEAD + 40 * (num_source + num_target)
