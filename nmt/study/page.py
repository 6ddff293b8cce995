"""The page of a study: Markdown and figures, made from its ledger alone."""

from collections import Counter
from pathlib import Path
from statistics import mean

from nmt.comparison.cells import interval, p_value
from nmt.comparison.crossed import LEVEL
from nmt.runs.files import write
from nmt.study.figures import draw
from nmt.study.findings import Findings, Result
from nmt.study.jobs import number_of_runs
from nmt.study.order import orders
from nmt.study.report import grids
from nmt.terminal.table import markdown, plain

LEARNING = 0.3  # BLEU on dev that training still gained in its last quarter: it was cut short
TWIN = "-fp32"  # behind the name of a variant: the same in float32


def write_page(found: Findings, output: Path) -> Path:
    """Write NAME.md and its figures NAME/*.png into a folder; return the page."""
    name = found.ledger.study
    output.mkdir(parents=True, exist_ok=True)
    figures = [
        f"![{title}]({name}/{file.name})\n\n{plain(caption)}"
        for file, title, caption in draw(found, output / name)
    ]
    path = output / f"{name}.md"
    write(path, to_markdown(found, figures))
    return path


def to_markdown(found: Findings, figures: list[str]) -> str:
    """Return the page; ``figures`` are in Markdown."""
    name = found.ledger.study
    statistics = found.ledger.path.parent.parent / "statistics.md"
    explained = "[statistics](../statistics.md)" if statistics.is_file() else "nmt's statistics.md"
    parts = [f"# {plain(found.study.title or name)}", *summary(found), *figures]
    for grid in grids(found):
        parts += [f"## {plain(grid.title)}", markdown(grid.header, grid.rows)]
        parts += map(plain, grid.notes)
    if found.results:
        parts += translations(found)
        parts += ["## Signatures", markdown(("score", "signature"), signatures(found))]
    parts += [
        "## Where it comes from",
        f"`nmt compare {name}.jsonl` makes this page from the ledger: a line per run, and counts "
        f"per sentence in `{name}/`. `nmt study {name}` trains what is missing with the settings "
        f"of `{name}.pinned.yaml`. How the tests work: {explained}.",
    ]
    return "\n\n".join(parts) + "\n"


def summary(found: Findings) -> list[str]:
    """Say how far the study is, how long its runs learned, where they ran, and what came out."""
    study = found.study
    number = number_of_runs(study, list(study.variants))
    lines: list[str] = []
    if found.results:
        gained = mean(late_gain(one) for one in found.results)
        if gained > LEARNING:
            lines.append(cut_short(f"{gained:.2f}", "this budget"))
        lines.append(" ".join([headline(found), *mixed(found)]))
        lines += [*twins(found), *orders(found)]
    steps = sorted({row.content["steps"] for row in found.rows})
    most = " to ".join(f"{number:,}" for number in sorted({*steps[:1], *steps[-1:]}))
    updates = f" ({most} updates)" if steps else ""
    lines.append(
        f"{len(found.rows)} of {number} runs are finished. Each read {study.pieces:,} target "
        f"pieces{updates}."
    )
    if found.waiting:
        names = ", ".join(f"`{name}`" for name in found.waiting)
        lines.append(f"Variants without a result so far: {names}.")
    hardware = Counter(
        (row.content["machine"]["device"], row.content["machine"]["precision"])
        for row in found.rows
    )
    told = "; ".join(f"{n} on {device} in {dtype}" for (device, dtype), n in hardware.items())
    told = told.replace(" 1 threads", " 1 thread")  # result.json says it so
    commits = sorted({str(row.content["commit"]) for row in found.rows})
    if told:
        lines.append(f"Runs: {told}. Commits: {', '.join(commits)}.")
    return lines


def headline(found: Findings) -> str:
    """Say in a sentence which variant is best, and whether that is more than chance."""
    best, base = found.best, found.baseline
    scores = best.scores("bleu")
    if len(found.results) == 1:
        others = ", and no other variant has a result so far" if found.waiting else ""
        return f"{best.name} has {mean(scores):.2f} BLEU{others}."
    begin = f"{best.name} has the highest BLEU, {mean(scores):.2f}"
    if base is None or best is base:
        return f"{begin}." if base is None else f"{begin}; it is the baseline."
    delta = mean(scores) - mean(base.scores("bleu"))
    tested = found.tests["bleu"].differences.get(best.name)
    if tested is None:
        why = found.tests["bleu"].untested[best.name]
        return f"{begin}, {delta:+.2f} against {base.name}. No p: {why}."
    p = found.tests["bleu"].corrected[best.name]
    verdict = "more" if p < LEVEL else "no more"
    return (
        f"{begin}, {delta:+.2f} against {base.name}: {verdict} than chance explains (p Holm "
        f"{p_value(p)}; {len(best.rows)} and {len(base.rows)} seeds)."
    )


def mixed(found: Findings) -> list[str]:
    """Say which variants had another precision than the baseline, beside its twin."""
    base = found.baseline
    if base is None:
        return []
    others = [
        one.name
        for one in found.results
        if one.precision != base.precision and one.name != f"{base.name}{TWIN}"
    ]
    if not others:
        return []
    return [
        f"Not all runs of {', '.join(others)} had the precision of {base.name}, {base.precision}: "
        f"a difference to {base.name} mixes both the variant and the precision."
    ]


def twins(found: Findings) -> list[str]:
    """Test each variant that differs from another one in its precision alone, by name."""
    pairs = [(one, found.result(f"{one.name}{TWIN}")) for one in found.results]
    return [precision_tested(found, one, twin) for one, twin in pairs if twin]


def precision_tested(found: Findings, one: Result, twin: Result) -> str:
    """Say whether BLEU of a variant depends on the precision."""
    if one.precision == twin.precision:
        return f"Precision: {one.name} and {twin.name} both ran in {one.precision}."
    delta = mean(twin.scores("bleu")) - mean(one.scores("bleu"))
    begin = (
        f"Precision: {twin.name} ({twin.precision}) has {delta:+.2f} BLEU against {one.name} "
        f"({one.precision})"
    )
    tested = found.tested_against(one.name)
    difference = tested.differences.get(twin.name)
    if difference is None:
        return f"{begin}. No p: {tested.untested[twin.name]}."
    verdict = (
        "more than chance explains"
        if difference.p < LEVEL
        else "no difference is visible (four of five such comparisons would detect a true one of "
        f"{difference.visible:.2f})"
    )
    return (
        f"{begin}: {verdict}. 95 % interval {interval(difference, 2)}, p {p_value(difference.p)}, "
        f"{len(twin.rows)} and {len(one.rows)} seeds."
    )


def cut_short(gained: str, budget: str) -> str:
    """Say that runs have not converged: how much BLEU on dev they still ``gained``."""
    return (
        "These runs have not converged: in the last quarter of training dev BLEU still rose by "
        f"{gained} on average. The results hold only for {budget}."
    )


def late_gain(one: Result) -> float:
    """Return how much dev BLEU rose in the last quarter of training, a mean over the runs."""
    gains: list[float] = []
    for row in one.rows:
        last = 0.75 * row.content["steps"]
        before = [entry["dev/bleu"] for entry in row.content["dev"] if entry["step"] <= last]
        gains.append(row.best_dev - max(before, default=0.0))
    return mean(gains)


def translations(found: Findings) -> list[str]:
    """Return the first of our sentences under each variant, with its first seed."""
    if not found.study.sentences:
        return []
    source, target = found.study.sentences[0]
    rows = [("source", source), ("reference", target)]
    rows += [
        (one.name, one.rows[0].content["translations"][0])
        for one in found.results
        if one.rows[0].content.get("translations")
    ]
    return ["## A sentence that is in no corpus", markdown(("", "text"), rows)]


def signatures(found: Findings) -> list[tuple[str, str]]:
    """Return every signature that scores were computed with."""
    seen = {
        (score, signature)
        for row in found.rows
        for test in row.tests.values()
        for score, signature in test["signatures"].items()
    }
    return sorted(seen)
