"""The explorer of runs: the sentences of a test and of the evaluations during training."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nmt.data.corpus import Lines
from nmt.data.text import one_line
from nmt.data.tokenizer import BOS, EOS
from nmt.decoding.decode import Decode
from nmt.decoding.translate import Translation, source_ids
from nmt.errors import UserError
from nmt.evaluation.evaluate import HYPOTHESES, REFERENCES, SOURCES
from nmt.evaluation.weights import Forced, found, weights_of
from nmt.report.explorer import document
from nmt.report.explorer.page import page
from nmt.report.gallery import Drawn
from nmt.report.weights import Weights
from nmt.run import Translator
from nmt.runs.files import lines_of, resuming
from nmt.runs.folder import RESULT
from nmt.runs.foreign import read_json
from nmt.runs.sample import is_sample

Json = dict[str, Any]

EXPLORER = "explorer.html"  # in the folder of a run, or of its results
MOMENT = "attention.json"  # in the folder of the pictures of an evaluation
LIMIT = 3_000_000  # bytes of the arrays of a page
MOMENT_LIMIT = 400_000  # of an evaluation during training
MOST = 200  # sentences of a run: more cannot be looked through
CONSIDERED = 2_000  # sentences of a text, evenly spread, from which they are chosen
WEIGHTS = (document.WEIGHTS,)
ROUNDED = "Weights are rounded to 8 bits: within 0.004."


class Sizes(NamedTuple):
    """The sizes of attention: (L,H) of each place, and the names of its layers and hops."""

    numbers: dict[str, tuple[int, int]]
    rows: dict[str, list[str]]

    @classmethod
    def of(cls, translator: Translator) -> "Sizes":
        """Find them, with an empty sentence. Empty for a model without attention."""
        maps = translator.attention(torch.tensor([[EOS]]), torch.tensor([[BOS, EOS]]))
        numbers = {one.kind.place.value: (one.weights.size(1), one.weights.size(2)) for one in maps}
        return cls(numbers, {one.kind.place.value: one.rows for one in maps})

    def cost(self, one: Forced) -> int:
        """Return how many bytes a sentence takes in a page."""
        return document.cost(len(one.source_ids) + 1, len(one.target_ids) + 1, self.numbers)


def fitting(costs: Sequence[int], limit: int, most: int = MOST) -> list[int]:
    """Return the numbers of as many as fit, evenly spread from the smallest to the largest."""
    order = sorted((p for p in range(len(costs)) if costs[p] <= limit), key=lambda p: (costs[p], p))
    for number in range(min(len(order), most), 0, -1):
        places = [order[(2 * k + 1) * len(order) // (2 * number)] for k in range(number)]
        if sum(costs[place] for place in places) <= limit:
            return sorted(places)
    return []


def considered(total: int) -> range:
    """Return the numbers, from 0, of the lines of a text from which sentences are chosen."""
    return range(0, total, 1 + total // CONSIDERED)


def records(
    translator: Translator,
    sentences: Sequence[Forced],
    references: Mapping[int, str],
    rows: Mapping[str, Sequence[str]],
    measures: Sequence[str] = WEIGHTS,
) -> list[Json]:
    """Run a model on sentences by teacher forcing and return what the page shows of each.

    ``measures`` are keys of `nmt.models.contributions.MEASURES`: weights, and other measures.
    """
    first, *others = measures
    found = [
        document.sentence(one, rows, references.get(one.line))
        for one in weights_of(translator, sentences, first)
    ]
    for of in others:
        both = zip(found, weights_of(translator, sentences, of), strict=True)
        found = [document.add_values(record, one) for record, one in both]
    return found


# ---- what a run translated -----------------------------------------------------------------------


def tested(folder: Path) -> tuple[Lines, list[str]] | None:
    """Read the text of a test with its translations; None: the folder has none."""
    if not all((folder / name).is_file() for name in (SOURCES, REFERENCES, HYPOTHESES)):
        return None
    sources, references, hypotheses = (
        lines_of(folder / name) for name in (SOURCES, REFERENCES, HYPOTHESES)
    )
    if not len(sources) == len(references) == len(hypotheses):
        raise UserError(f"{folder}: {SOURCES}, {REFERENCES} and {HYPOTHESES} differ in length")
    return Lines(sources, references), hypotheses


def written(translator: Translator, lines: Lines, hypotheses: Sequence[str]) -> list[Forced]:
    """Return the sentences to choose from: those with a source, evenly spread if there are many.

    Translations are cut into pieces again, most probably as the model wrote them.
    """
    numbers = [n for n in considered(len(hypotheses)) if lines.source[n].strip()]
    return forced(translator, lines.source, hypotheses, numbers)


def forced(
    translator: Translator, sources: Sequence[str], texts: Sequence[str], numbers: Sequence[int]
) -> list[Forced]:
    """Return the sentences with some numbers, and their known translations."""
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    pairs = [(one_line(sources[n]), one_line(texts[n])) for n in numbers]
    left = source_ids(tokenizers[0], [source for source, _ in pairs], Decode().max_source)
    right = tokenizers[1].encode([text for _, text in pairs])
    return [
        Forced(n + 1, source, text, ids[:-1], target)
        for n, (source, text), ids, target in zip(numbers, pairs, left, right, strict=True)
    ]


def of_test(
    translator: Translator,
    folder: Path,
    limit: int,
    numbers: Sequence[int] = (),
    measures: Sequence[str] = WEIGHTS,
) -> tuple[list[Json], str]:
    """Return the record of a test in a folder, and the numbers of its sentences.

    Those of ``numbers``, counted from 1, or as many as fit into ``limit`` bytes. None where the
    folder has no test.
    """
    read = tested(folder)
    if read is None:
        return [], ""
    lines, hypotheses = read
    for number in numbers:
        if not 1 <= number <= len(hypotheses):
            raise UserError(f"sentences=[{number}]: the test set has 1 to {len(hypotheses):,}")
    sizes = Sizes.of(translator)
    limit //= len(measures)
    if numbers:
        chosen = forced(translator, lines.source, hypotheses, [n - 1 for n in numbers])
        if sum(map(sizes.cost, chosen)) > limit:
            raise UserError(
                f"sentences={list(numbers)}: the page would be larger than {LIMIT / 1e6:.0f} "
                "MB: choose fewer or shorter ones"
            )
    else:
        there = written(translator, lines, hypotheses)
        chosen = [there[place] for place in fitting([*map(sizes.cost, there)], limit)]
    references = dict(enumerate(lines.target, start=1))
    step = read_json(folder / RESULT).get("steps", 0) if (folder / RESULT).is_file() else 0
    found = records(translator, chosen, references, sizes.rows, measures)
    note = f"{len(found):,} of {len(hypotheses):,} sentences, from short to long"
    return [document.moment(step, found)], note


# ---- what it did during training ---------------------------------------------------------------


def during(
    translator: Translator, step: int, drawn: Sequence[Drawn], best: Sequence[Translation]
) -> Json:
    """Return the record of an evaluation: the sentences that fit, with their best translations."""
    all_found = [
        found(translator, one.number, one.source, translation, Decode().max_source)
        for one, translation in zip(drawn, best, strict=True)
        if one.source.strip()
    ]
    sizes = Sizes.of(translator)
    places = fitting([*map(sizes.cost, all_found)], MOMENT_LIMIT)
    chosen = [all_found[place] for place in places]
    known = {one.number: one.reference for one in drawn}
    return document.moment(step, records(translator, chosen, known, sizes.rows))


def of_training(run: Path, limit: int) -> tuple[list[Json], str]:
    """Return the records of a training, as many as fit, evenly spread; and how many there are."""
    paths = sorted((run / "heatmaps").glob(f"step-*/{MOMENT}"))
    sizes = [path.stat().st_size for path in paths]
    number = len(paths)
    while number > 1 and sum(sizes[place] for place in evenly(len(paths), number)) > limit:
        number -= 1
    moments = [read_json(paths[place]) for place in evenly(len(paths), number)]
    shown = [one for one in moments if one.get("sentences")]
    return shown, f"{len(shown):,} of {len(paths):,} evaluations" if shown else ""


def evenly(total: int, number: int) -> list[int]:
    """Return ``number`` of ``total`` places, the first and the last among them."""
    if number < 2:
        return [total - 1] * min(number, total)
    return [round(k * (total - 1) / (number - 1)) for k in range(number)]


# ---- the page ----------------------------------------------------------------------------------


class Shown(NamedTuple):
    """A run on a page, and notes on it."""

    run: Json
    notes: list[str]


def of_run(
    translator: Translator,
    run: Path,
    name: str,
    best: Sequence[int | None] | None,
    limit: int = LIMIT,
    numbers: Sequence[int] = (),
    measures: Sequence[str] = WEIGHTS,
) -> Shown:
    """Return what to show of a run folder. UserError for a run without attention or translations.

    The test gets two thirds of the bytes, the evaluations on dev the rest.
    """
    if not Sizes.of(translator).numbers:
        raise looks_nowhere(run)
    moments, evaluations = of_training(run, limit // 3)
    test, sentences = of_test(translator, run, limit * 2 // 3, numbers, measures)
    if not moments and not test:
        raise UserError(f"{run} has no translations to show. {way_to_some(run)}")
    parts = {"test": sentences, "dev": evaluations}
    notes = [f"{name}, {key}: {text}." for key, text in parts.items() if text]
    return Shown(document.run(name, {"test": test, "dev": moments}, best), notes)


def way_to_some(run: Path) -> str:
    """Say how to make translations of a run that can be shown."""
    if is_sample(run):
        return "serve=true translates what you type; nmt evaluate run=sample writes such a page"
    return f"{resuming(run)} finishes its training"


def looks_nowhere(run: Path) -> UserError:
    """Return why there is nothing to show of a run."""
    return UserError(f"{run} has attention=none, so there is no attention to show")


def of_rows(
    name: str, rows: Sequence[Weights], limit: int = LIMIT, numbers: Sequence[int] = ()
) -> Shown:
    """Return what to show of a file of weights: as many rows as fit, evenly spread.

    Only those with ``numbers``, if there are any; UserError for one that the file does not have.
    """
    total = len(rows)
    if numbers:
        rows = [row for row in rows if row.line in numbers]
        if missing := set(numbers) - {row.line for row in rows}:
            raise UserError(f"sentences=[{min(missing)}]: {name} has no such line")
    costs = [
        document.cost(
            len(row.source_pieces),
            len(row.target_pieces),
            {place: array.shape[:2] for place, array in row.weights.items()},
        )
        for row in rows
    ]
    places = fitting(costs, limit)
    found = [document.sentence(rows[place]) for place in places if rows[place].weights]
    if not found:
        raise UserError(f"{name} has no weights to show: the model has attention=none")
    note = f"{name}: {len(found):,} of {total:,} sentences, from short to long."
    return Shown(document.run(name, {"text": [document.moment(0, found)]}), [note])


def as_page(shown: Sequence[Shown]) -> str:
    """Return the page of several runs, side by side."""
    notes = [note for one in shown for note in one.notes]
    several = {"panels": len(shown)} if len(shown) > 1 else {}
    return page({"runs": [one.run for one in shown], "notes": [*notes, ROUNDED], **several})


def names_of(runs: Sequence[Path]) -> list[str]:
    """Name runs as briefly as possible: by the parts in which their paths differ."""
    if len(runs) == 1:
        return [runs[0].resolve().name]
    resolved = [run.resolve() for run in runs]
    shared = Path(os.path.commonpath(resolved))
    return [str(run.relative_to(shared)) if run != shared else run.name for run in resolved]
