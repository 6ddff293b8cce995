"""The result of a comparison in one sentence, and its material in one line."""

from nmt.comparison.cells import p_value
from nmt.comparison.comparison import Comparison, Row
from nmt.comparison.crossed import LEVEL


def headline(comparison: Comparison) -> str:
    """Say which variant is best, by how much BLEU, and how surely.

    "luong_dot is best: +0.30 BLEU over none, p = 0.009, 2 seeds". p is that of the table, corrected
    for its number of comparisons.
    """
    best, *others = comparison.rows
    score = best.statistics["bleu"].mean
    if not others:
        return f"{best.variant.short}: {score:.2f} BLEU, {seeds(best)}"
    base = comparison.base
    tested = others[0] if best is base else best  # against the baseline
    if f"{score:.2f}" == f"{others[0].statistics['bleu'].mean:.2f}":
        names = f"{best.variant.short} and {others[0].variant.short}"
        return f"{names} have the same BLEU, {score:.2f}; {seeds(best)}"
    more = score - (tested if best is base else base).statistics["bleu"].mean
    name = f"{best.variant.short}, the baseline," if best is base else best.variant.short
    over = f"+{more:.2f} BLEU over {(tested if best is base else base).variant.short}"
    p = comparison.tests["bleu"].corrected.get(tested.variant.name)
    if p is None:
        return f"{name} has the highest BLEU: {over}; {untested(best, base, tested)}"
    said = f"p {'<' if p < 0.001 else '='} {p_value(p).lstrip('<')}, {seeds(best)}"
    if p >= LEVEL:
        return f"{name} has the highest BLEU: {over}, which may be chance ({said})"
    return f"{name} is best: {over}, {said}"


def untested(best: Row, base: Row, tested: Row) -> str:
    """Say why there is no p."""
    if min(len(row.variant.runs) for row in (base, tested)) < 2:
        return f"{seeds(best)}, so it may be chance"
    return f"{seeds(best)}, not tested: see below"


def seeds(row: Row) -> str:
    """Count the seeds of a variant."""
    number = len(row.variant.runs)
    return "one seed" if number == 1 else f"{number} seeds"


def subtitle(comparison: Comparison) -> list[str]:
    """Return languages, corpus, size of the test set, and budget of training."""
    run = comparison.baseline.runs[0]
    known = run.settings
    pair = [str(known[key]) for key in ("data.source", "data.target") if key in known]
    sentences = run.result.get("sentences") or len(run.references or ())
    steps = {r.result.get("steps") for one in comparison.variants for r in one.runs}
    updates = sorted(step for step in steps if isinstance(step, int))
    budget = ""
    if updates:
        least, most = f"{updates[0]:,}", f"{updates[-1]:,}"
        budget = f"{least if least == most else f'{least} to {most}'} updates per run"
    runs = sum(len(one.runs) for one in comparison.variants)
    return [
        part
        for part in (
            "→".join(pair),
            str(known.get("data", "")),
            f"{sentences:,} {run.result.get('split', 'test')} sentences" if sentences else "",
            f"{runs} {'run' if runs == 1 else 'runs'}",
            budget,
        )
        if part
    ]
