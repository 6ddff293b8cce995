"""Notes that a reader of a comparison needs, as sentences."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nmt.comparison.counts import RunCounts
from nmt.comparison.crossed import LEVEL, Tested
from nmt.comparison.influence import bleu_of_sums
from nmt.comparison.measures import Measure
from nmt.comparison.significance import EXACT, TRIALS
from nmt.comparison.variants import Variant
from nmt.metrics.words import WORD_SCORES

CLOSE = 0.1  # BLEU: how far the texts may be from the score in result.json
NAMED = 3  # most runs that a note names
STAR = "*"  # after a mean whose difference is significant


def notes(
    variants: Sequence[Variant], counts: Mapping[Path, RunCounts], implied: Sequence[str]
) -> list[str]:
    """Say where the comparison is not of like with like; ``implied`` keys are not in names."""
    runs = [run for variant in variants for run in variant.runs]
    found: list[str] = []
    if implied:
        found.append(
            f"The names leave out {', '.join(implied)}, which varies only together with what they "
            "name: see the settings that differ."
        )
    if any(run.test_set is None for run in runs):
        found.append(
            "Some run folders have no sources.txt and references.txt: whether they were scored "
            "on the same sentences is not known."
        )
    others: list[str] = []
    for run in runs:
        (counted,) = counts[run.folder].values()
        score = bleu_of_sums(counted["bleu"].sum(0)) if "bleu" in counted else None
        if score is not None and abs(score - run.result["bleu"]) > CLOSE:
            others.append(f"{run.folder} ({run.result['bleu']:.2f} and {score:.2f})")
    if others:
        found.append(
            "Tests are of the texts, whose BLEU is another one than that of result.json in "
            f"{len(others)} of the {len(runs)} runs: {'; '.join(others[:NAMED])}"
            f"{' …' if len(others) > NAMED else '.'}"
        )
    hardware = {(run.result.get("device"), run.result.get("precision")) for run in runs}
    if len(hardware) > 1:
        listed = "; ".join(sorted(f"{device} in {precision}" for device, precision in hardware))
        found.append(f"Speed and memory were measured on different hardware: {listed}.")
    return found


def notes_of_tests(
    tests: Mapping[str, Tested], measures: Sequence[Measure], baseline: str
) -> list[str]:
    """Explain p, the smallest visible difference, and why some variants have no p."""
    headings = {one.name: one.heading for one in measures}
    digits = {one.name: one.digits for one in measures}
    shown = {name: one for name, one in tests.items() if one.differences}
    found = [f"Δ is the difference of mean BLEU to {baseline}."]
    if shown:
        found[0] = (
            f"Δ is the difference of mean BLEU to {baseline}, with its 95 % interval. p: how "
            "probable a difference as large would be between equal methods, over other seeds and "
            "other sentences. p Holm: p corrected for the number of variants tested in a score, "
            f"{comparisons(shown, headings)}."
        )
        found.append(note_of_visible(shown, headings, digits))
    own = by_scores({n: dict.fromkeys(t.own_variance, "") for n, t in shown.items()})
    if shown:
        listed = [f"{names(who)} ({', '.join(headings[n] for n in of)})" for of, _, who in own]
        found.append(
            "The variance over seeds is pooled over the variants of a kind of model"
            + (f"; less steady, and with their own: {'; '.join(listed)}." if listed else ".")
        )
    return found + untested(tests, headings)


def note_of_visible(
    tests: Mapping[str, Tested], headings: Mapping[str, str], digits: Mapping[str, int]
) -> str:
    """Say how small a difference in each score may be and still be found."""
    visible = [
        f"{one.visible:.{digits[name]}f} {headings[name]}"
        for name, one in tests.items()
        if one.visible is not None
    ]
    return (
        "The smallest visible difference, which four of five such comparisons would find: "
        f"{', '.join(visible)}."
    )


def comparisons(tests: Mapping[str, Tested], headings: Mapping[str, str]) -> str:
    """Write how many comparisons there are, by score if the numbers differ."""
    numbers = {name: len(one.differences) for name, one in tests.items()}
    if len(set(numbers.values())) == 1:
        return str(next(iter(numbers.values())))
    return ", ".join(f"{number} of {headings[name]}" for name, number in numbers.items())


def untested(tests: Mapping[str, Tested], headings: Mapping[str, str]) -> list[str]:
    """Say which variants have no p, of which scores, and why: a sentence for each reason."""
    everyone = {name for one in tests.values() for name in (*one.differences, *one.untested)}
    found: list[str] = []
    for of, why, who in by_scores({name: one.untested for name, one in tests.items()}):
        scores = "" if len(of) == len(tests) else f" of {', '.join(headings[n] for n in of)}"
        whose = "" if set(who) == everyone else f" for {names(who)}"
        found.append(f"No p{scores}{whose}: {why}.")
    return found


def by_scores(
    found: Mapping[str, Mapping[str, str]],
) -> list[tuple[tuple[str, ...], str, list[str]]]:
    """Group reasons: the scores, the reason, and the variants."""
    said: dict[tuple[str, str], list[str]] = {}  # scores by variant and what is said
    for score, variants in found.items():
        for variant, text in variants.items():
            said.setdefault((variant, text), []).append(score)
    grouped: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for (variant, text), scores in said.items():
        grouped.setdefault((tuple(scores), text), []).append(variant)
    return [(scores, text, variants) for (scores, text), variants in grouped.items()]


def names(variants: Sequence[str]) -> str:
    """List variants, whose names have commas."""
    return "; ".join(variants)


def note_of_others() -> str:
    """Explain the star, and say where the tests are."""
    return (
        f"{STAR}: p by Holm is below {LEVEL}. Interval and p of each score are in the table of "
        "differences, which the report has."
    )


def note_of_stars() -> str:
    """Explain the star after a mean."""
    return f"{STAR}: differs from the baseline, p by Holm below {LEVEL}."


def note_of_words(tests: Mapping[str, Tested], lacking: Sequence[str]) -> tuple[str, ...]:
    """Explain the word scores, and say which variants lack some."""
    found = [
        "REP: repeated bigrams that the reference does not repeat, per 100 of its words; DROP: "
        "percent of the source words that the reference translates and the translation does not; "
        "both are better lower. F1: of words by how often the training text has them."
    ]
    if any(tests[name].differences for name in WORD_SCORES if name in tests):
        found[0] += f" {note_of_stars()}"
    if lacking:
        found.append(
            f"DROP and F1 are not known of {names(lacking)}: an older nmt trained them, and kept "
            "no words of its training text."
        )
    return tuple(found)


def note_of_two_runs(baseline: str, resampled: bool = True) -> str:
    """Explain the tests of single runs, and what they do not show.

    ``resampled``: there is a bootstrap beside the randomisation.
    """
    bootstrap = "bootstrap (1,000 resamples) and paired " if resampled else ""
    alone = ", and alone," if resampled else ""
    return (
        f"The one run of a variant against the one run of {baseline}: how probable a difference "
        "in BLEU as large would be by the choice of test sentences alone, by sacreBLEU's paired "
        f"{bootstrap}approximate randomisation ({TRIALS:,} trials; exact{alone} where up to "
        f"{EXACT} sentences differ). It says nothing of the methods: other seeds may differ as "
        "much."
    )
