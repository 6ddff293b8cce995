"""The tables of a study, made from its ledger alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from statistics import mean, stdev

import numpy as np

from nmt.comparison.cells import Grid, interval, p_value
from nmt.comparison.crossed import LEVEL
from nmt.comparison.influence import bleu_of_sums
from nmt.comparison.lengths import buckets
from nmt.comparison.notes import note_of_two_runs, note_of_visible, untested
from nmt.metrics.words import HEADINGS as WORD_HEADINGS
from nmt.runs.foreign import read_json
from nmt.study.findings import Findings, Result
from nmt.study.jobs import Job, tries
from nmt.study.ledger import SCORES, Row
from nmt.study.speed import speed_path

DIGITS = {"bleu": 2, "chrf": 2, "loss": 3}
HEADINGS = {"bleu": "BLEU", "chrf": "chrF", "loss": "loss"}
OWN = "own AER"  # the column of the study's own sentences
REFERENCE = 1  # the column of BLEU's counts that has the length of the reference


def grids(found: Findings) -> list[Grid]:
    """Return the tables of a study that has a result."""
    tables = [quality(found), two_runs(found), others(found), words(found), lengths(found)]
    tables += [attention(found)]
    tables += [speed(found)] if speed_path(found.ledger.path).is_file() else []
    tables += [tuning(found)] if found.study.tune else []
    return [grid for grid in tables if grid.rows]


def quality(found: Findings) -> Grid:
    """BLEU on each test set, and the mean of the sets against the baseline's."""
    names = list(found.study.tests)
    header = ["variant", "seeds", *names]
    header += (
        ["mean", "Δ", "95 %", "p", "p Holm"] if len(names) > 1 else ["Δ", "95 %", "p", "p Holm"]
    )
    rows = [
        [
            one.name,
            " ".join(str(row.job.seed) for row in one.rows),
            *(spread(one.scores("bleu", name), 2) for name in names),
            *([spread(one.scores("bleu"), 2)] if len(names) > 1 else []),
            *against(found, one, "bleu"),
        ]
        for one in found.results
    ]
    return Grid("BLEU", header, rows, 2, (*notes(found, "bleu"), *precisions(found)))


def precisions(found: Findings) -> list[str]:
    """Say which precision the runs of each variant had, where it is not the same everywhere."""
    said: dict[str, list[str]] = {}
    for one in found.results:
        said.setdefault(one.precision, []).append(one.name)
    listed = "; ".join(f"{', '.join(names)} in {precision}" for precision, names in said.items())
    return [f"Precision: {listed}."] if len(said) > 1 else []


def two_runs(found: Findings) -> Grid:
    """BLEU of single runs against the single run of the baseline, on each test set."""
    names = list(found.study.tests)
    header = ["variant", "seed"]
    for name in names:
        header += [f"Δ {name}" if len(names) > 1 else "Δ BLEU", "p rand."]
    rows = [
        [
            one.name,
            str(one.rows[0].job.seed),
            *(cell for name in names for cell in against_run(found, one, name)),
        ]
        for one in found.results
        if one.name in found.two_runs
    ]
    notes = (note_of_two_runs(found.study.baseline, resampled=False),)
    return Grid("These two runs", header, rows, 2, notes)


def against_run(found: Findings, one: Result, test: str) -> list[str]:
    """Write the difference of single runs in BLEU on a test set, and p."""
    assert found.baseline
    (score,), (base,) = one.scores("bleu", test), found.baseline.scores("bleu", test)
    return [f"{score - base:+.2f}", p_value(found.two_runs[one.name][test])]


def others(found: Findings) -> Grid:
    """The other scores, means over the test sets, against the baseline's."""
    header = ["variant"]
    for score in SCORES[1:]:
        header += [HEADINGS[score], "Δ", "95 %", "p", "p Holm"]
    rows = [
        [
            one.name,
            *(
                cell
                for score in SCORES[1:]
                for cell in (
                    spread(one.scores(score), DIGITS[score]),
                    *against(found, one, score),
                )
            ),
        ]
        for one in found.results
    ]
    told = [text for score in SCORES[1:] for text in notes(found, score)]
    return Grid(
        "chrF, and loss in nats per target piece (lower is better)", header, rows, 1, tuple(told)
    )


def words(found: Findings) -> Grid:
    """What happens to words, means over the test sets: the scores of words, with a star or none."""
    known = found.word_scores
    rows = [
        [one.name, *(starred(found, one, score) for score in known)]
        for one in found.results
        if any(one.has(score) for score in known)
    ]
    legend = (
        "REP: repeated bigrams that the reference does not repeat, per 100 of its words. DROP: "
        "percent of the source words that the reference translates and the translation does not. "
        "Both are of Malaviya et al. 2018; lower is better. F1 is of words by how often the "
        "training text has them."
    )
    header = ["variant", *(WORD_HEADINGS[score] for score in known)]
    return Grid("Words", header, rows, 1, (legend, *notes_of_words(found)))


def notes_of_words(found: Findings) -> list[str]:
    """Say below the table of words what its tests can see, and why some variants have none."""
    known, base = found.word_scores, found.baseline
    older = [one.name for one in found.results if not any(one.has(score) for score in known)]
    told = f"Trained by an older nmt, which did not measure them: {', '.join(older)}."
    lines = [told] if older else []
    if base is None or base.name in older:
        why = "has no result yet" if base is None else "is one of them"
        return [*lines, f"No tests: the baseline, {found.study.baseline}, {why}."]
    tests = {
        score: replace(
            found.tests[score],
            untested={n: why for n, why in found.tests[score].untested.items() if n not in older},
        )
        for score in known
    }
    if any(tested.visible is not None for tested in tests.values()):
        visible = note_of_visible(tests, WORD_HEADINGS, dict.fromkeys(WORD_HEADINGS, 2))
        lines.append(f"{visible} * differs from {base.name}: p Holm below {LEVEL}.")
    return lines + untested(tests, WORD_HEADINGS)


def starred(found: Findings, one: Result, score: str) -> str:
    """Write the mean of a score of words, with a star where it differs from the baseline's."""
    if not one.has(score):
        return ""
    tested = found.tests.get(score)
    p = tested.corrected.get(one.name, 1.0) if tested else 1.0
    return f"{spread(one.scores(score), 2)}{' *' * (p < LEVEL)}"


def lengths(found: Findings) -> Grid:
    """BLEU by the length of the reference, over all test sets together, the mean over seeds."""
    if not found.results:
        return Grid("BLEU by length", [], [])
    first, *_ = found.results[0].rows
    parts = buckets(bleu_counts(first)[:, REFERENCE].astype(int))
    rows = []
    for one in found.results:
        counted = [bleu_counts(row) for row in one.rows]
        scores = [
            mean(float(bleu_of_sums(each[part.places].sum(0))) for each in counted)
            for part in parts
        ]
        rows.append([one.name, *(f"{score:.2f}" for score in scores)])
    header = ["variant", *(f"{part.label} ({len(part.places):,})" for part in parts)]
    note = (
        "The length is that of the reference in words, as BLEU counts them: a ledger keeps counts "
        "and no text. In brackets: how many sentences there are."
    )
    return Grid("BLEU by length", header, rows, 1, (note,))


def bleu_counts(row: Row) -> np.ndarray:
    """Return what the BLEU of each sentence of all test sets is computed from, (N,10)."""
    return np.concatenate([row.bleu_counts(test) for test in row.tests])


def attention(found: Findings) -> Grid:
    """How source-target attention is spread over the first test set, and how large a model is."""
    columns: list[tuple[str, int, Callable[[Row], float | None]]] = [
        ("entropy", 2, of_attention("entropy")),
        ("largest weight", 2, of_attention("largest")),
        ("zeros", 2, of_attention("zeros")),
        ("on </s>", 2, of_attention("end")),
        ("on mark", 2, of_attention("mark")),
        ("no key", 2, of_attention("no_key")),
        ("AER", 3, lambda row: row.content.get("aer")),
        (OWN, 2, found.own_error),
        ("dev BLEU", 2, lambda row: row.best_dev),
        ("parameters", 0, lambda row: row.content["parameters"]),
        ("updates", 0, lambda row: row.content["steps"]),
    ]
    lacking = {
        "AER": not any("aer" in row.content for row in found.rows),
        OWN: not found.study.links,
    }
    columns = [column for column in columns if not lacking.get(column[0])]
    rows = []
    for one in found.results:
        rows.append([one.name, *(mean_of(one, read, digits) for _, digits, read in columns)])
    legend = (
        "Source-target attention under teacher forcing on the first test set, means over layers, "
        "heads, pieces and seeds: entropy in nats, the largest weight, the share of weights that "
        "are exactly 0, the weight on the end of the source, </s>, that on the piece before it, "
        "most often the final mark, and the weight that no key gets, such as that on a sink. dev "
        "BLEU is the best of training, greedy."
    )
    errors = {
        "AER": "alignment error rate of each word's largest weight, the mean over layers and "
        "heads, against the gold links of the first test set; lower is better.",
        OWN: "alignment error rate of each word's largest weight, the mean over layers and heads, "
        f"on the {len(found.study.links)} sentences whose attention is kept, which we linked by "
        "hand; lower is better. So few sentences show only large differences.",
    }
    notes = [f"{name}: {text}" for name, text in errors.items() if not lacking[name]]
    header = ["variant", *(name for name, _, _ in columns)]
    return Grid("Attention", header, rows, 1, (legend, *notes))


def mean_of(one: Result, read: Callable[[Row], float | None], digits: int) -> str:
    """Write what is read of the runs of a variant, their mean; empty: none of them has it."""
    values = [value for row in one.rows if (value := read(row)) is not None]
    return f"{mean(values):,.{digits}f}" if values else ""


def of_attention(name: str) -> Callable[[Row], float | None]:
    """Return what reads a measure of source-target attention; None: there is no attention."""
    return lambda row: row.content["attention"].get("source-target", {}).get(name)


def speed(found: Findings) -> Grid:
    """How fast each variant trains and translates, as `nmt bench` measured it."""
    path = speed_path(found.ledger.path)
    content = read_json(path)
    speeds = content["variants"]
    base = speeds.get(found.study.baseline)
    rows = []
    for name, one in speeds.items():
        ratio = f"{one['tokens_per_s'] / base['tokens_per_s']:.2f}" if base else ""
        trained, translated = f"{one['tokens_per_s']:,.0f}", f"{one['sentences_per_s']:.1f}"
        rows.append([name, trained, ratio, translated])
    machine = content["machine"]
    note = (
        f"By `nmt bench`, median of {content['rounds']} rounds in turn, {machine['device']}, "
        f"{machine['threads']} threads, {machine['precision']}, {content['date']}: target pieces "
        f"per second of training, the same as a ratio to {found.study.baseline}, and sentences per "
        f"second with beam search, of {content['length']} pieces."
    )
    return Grid("Speed", ["variant", "pieces/s", "ratio", "sentences/s"], rows, 1, (note,))


def tuning(found: Findings) -> Grid:
    """Dev BLEU of each value of the tuned setting, with the first seed."""
    tune = found.study.tune
    assert tune
    seed = found.study.seeds[0]
    scores = {row.job: row.best_dev for row in found.rows}
    rows = []
    for name in filter(partial(tries, found.study), found.study.variants):
        own = [scores.get(Job(name, value, seed)) for value in tune.values]
        if any(score is not None for score in own):
            best = max(score for score in own if score is not None)
            done = all(score is not None for score in own)
            cells = ["" if s is None else f"{s:.2f}{' *' * (done and s == best)}" for s in own]
            rows.append([name, *cells])
    header = ["variant", *(f"{tune.key}={value}" for value in tune.values)]
    note = f"Best dev BLEU, greedy, with seed {seed}. The other seeds take the value with the star."
    taken = [f"{name} takes that of {other}" for name, other in tune.same_as.items()]
    note += f" {'; '.join(taken)}." if taken else ""
    return Grid(f"How {tune.key} was chosen", header, rows, 1, (note,))


def spread(values: Sequence[float], digits: int) -> str:
    """Write 34.09 ± 0.21: mean and standard deviation over seeds; one run has no deviation."""
    deviation = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{deviation}"


def against(found: Findings, one: Result, score: str) -> list[str]:
    """Write the difference to the baseline, its interval, p, and p by Holm."""
    if one.name == found.study.baseline:
        return ["baseline", "", "", ""]
    if found.baseline is None:
        return ["", "", "", ""]
    digits = DIGITS[score]
    delta = mean(one.scores(score)) - mean(found.baseline.scores(score))
    tested = found.tests[score].differences.get(one.name)
    if tested is None:
        return [f"{delta:+.{digits}f}", "", "", ""]
    corrected = found.tests[score].corrected[one.name]
    star = " *" if corrected < LEVEL else ""
    return [
        f"{delta:+.{digits}f}{star}",
        interval(tested, digits),
        p_value(tested.p),
        p_value(corrected),
    ]


def notes(found: Findings, score: str) -> list[str]:
    """Say below a table what its tests can see, and why some variants have none."""
    if found.baseline is None:
        return [f"No tests: the baseline, {found.study.baseline}, has no result yet."]
    tested = found.tests[score]
    name = HEADINGS[score]
    lines: list[str] = []
    if tested.visible is not None:
        number = len(tested.differences)
        digits = DIGITS[score]
        lines.append(
            f"{name}: four of five such comparisons would detect a true difference of "
            f"{tested.visible:.{digits}f} (the median of {number} comparisons). * marks p Holm "
            f"below {LEVEL}."
        )
    if tested.own_variance:
        lines.append(
            f"{name}: {', '.join(tested.own_variance)} varied more with the seed than the rest "
            "and kept its own variance."
        )
    reasons: dict[str, list[str]] = {}
    for variant, why in tested.untested.items():
        reasons.setdefault(why, []).append(variant)
    lines += [f"{name}: no p for {', '.join(names)}: {why}." for why, names in reasons.items()]
    return lines
