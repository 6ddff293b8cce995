"""What the explorer has of alignments: gold links as boxes, and the attention that aligns best."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig
from torch import Tensor

from nmt.alignment.attention import encode, shape
from nmt.alignment.translation import best_known
from nmt.evaluation.explorer import LIMIT, Json, Shown, Sizes, considered, fitting, records
from nmt.evaluation.weights import Forced
from nmt.links.bitext import Bitext, Side
from nmt.links.links import Gold
from nmt.report.explorer import document
from nmt.run import Translator

Best = tuple[int | None, int | None]  # layer and head, from 0; None: the mean


def best_head(translator: Translator, run: Path, trained: DictConfig) -> Best | None:
    """Return what links taught in training, or what `nmt align` found to be the best on gold links.

    None: it is not known. See :func:`nmt.alignment.translation.best_known`.
    """
    found = shape(translator)
    if found is None:
        return None
    known = best_known(translator, run, trained, found.layers)
    if known.of != "weights":
        return None
    (reading,) = known.asked.readings(found, str(run))
    best = reading.layer, reading.head
    return None if best == (None, None) else best


def of_bitext(translator: Translator, text: Bitext, name: str, best: Best | None) -> Shown:
    """Return a text with its references, and gold links if it has some: as many lines as fit."""
    numbers = considered(len(text.source.lines))
    source = encode(translator.source_tokenizer, some(text.source, numbers))
    target = encode(translator.target_tokenizer, some(text.target, numbers))
    forced = [
        Forced(n + 1, text.source.lines[n], text.target.lines[n], source_ids, target_ids)
        for n, source_ids, target_ids in zip(numbers, source.ids, target.ids, strict=True)
    ]
    sizes = Sizes.of(translator)
    places = fitting([*map(sizes.cost, forced)], LIMIT)
    found = records(translator, [forced[place] for place in places], {}, sizes.rows)
    for one, place in zip(found, places, strict=True):
        if text.gold:
            members = source.members[place], target.members[place]
            one["gold"] = boxes(text.gold[numbers[place]], *members, one["axes"])
    note = f"{name}: {len(found):,} of {len(text.source.lines):,} sentences, from short to long."
    moments = [document.moment(0, found)] if found else []
    return Shown(document.run(name, {"references": moments}, best), [note])


def some(side: Side, numbers: Sequence[int]) -> Side:
    """Return some of the lines of a side."""
    lines, words = ([part[n] for n in numbers] for part in (side.lines, side.words))
    return side._replace(lines=lines, words=words)


def boxes(gold: Gold, source: Tensor, target: Tensor, axes: Json) -> Json:
    """Return gold links between words as those between pieces, and between words of the page.

    ``source`` (S,V) and ``target`` (T,W) say which pieces belong to which linked word. A link of
    two words is one of each piece of the one with each of the other.
    """
    pieces: dict[tuple[int, int], bool] = {}
    for link in sorted(gold.possible):
        left, right = source[:, link[0]].nonzero(), target[:, link[1]].nonzero()
        for s in left.flatten().tolist():
            for t in right.flatten().tolist():
                pieces[s, t] = pieces.get((s, t), False) or link in gold.sure
    words: dict[tuple[int, int], bool] = {}
    for (s, t), sure in pieces.items():
        word = axes["source"]["word"][s], axes["target"]["word"][t]
        words[word] = words.get(word, False) or sure
    return {"pieces": listed(pieces), "words": listed(words)}


def listed(links: dict[tuple[int, int], bool]) -> Sequence[list[int | bool]]:
    """Return links as [source, target, is sure]."""
    return [[*link, sure] for link, sure in sorted(links.items())]
