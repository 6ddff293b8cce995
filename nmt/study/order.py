"""Whether the order of a study's variants is that of a shorter study."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from statistics import mean

from nmt.errors import UserError
from nmt.study.findings import Findings
from nmt.study.ledger import Ledger, Row

BUDGET = ("train", "optimizer", "schedule")  # settings that go with how long a run is trained


def orders(found: Findings) -> list[str]:
    """Say of each shorter study beside a ledger whether the order of shared variants holds."""
    return [
        compared(found, other, names)
        for other in shorter(found)
        if len(names := shared(found, other)) > 1
    ]


def shorter(found: Findings) -> Iterator[Findings]:
    """Yield the studies beside a ledger with the same test sets and fewer target pieces.

    Ledgers that cannot be read are passed over: they are not those that were asked for.
    """
    for path in sorted(found.ledger.path.parent.glob("*.jsonl")):
        with suppress(UserError):
            other = Ledger.at(path)
            rows = other.rows()
            less = all(row.content["pieces"] < found.study.pieces / 2 for row in rows)
            if rows and less and fingerprints(rows) == fingerprints(found.rows):
                yield Findings.of(other)


def fingerprints(rows: Sequence[Row]) -> set[str]:
    """Return those of all test sets: they say in which direction a study translates, too."""
    return {test["fingerprint"] for row in rows for test in row.tests.values()}


def shared(found: Findings, other: Findings) -> list[str]:
    """Return the variants that have a result in both, with the same settings but the budget's."""
    both = [one.name for one in found.results if other.result(one.name)]
    return [name for name in both if fixed(found, name) == fixed(other, name)]


def fixed(found: Findings, name: str) -> dict[str, object]:
    """Return the settings of a variant that do not depend on the budget."""
    return {key: value for key, value in found.settings[name].items() if key not in BUDGET}


def compared(found: Findings, other: Findings, names: Sequence[str]) -> str:
    """Write both orders, and whether they are the same."""
    here, there = (ordered(one, names) for one in (found, other))
    verdict = "the order holds" if here == there else "the order does not hold"
    return (
        f"With {other.study.pieces:,} target pieces (`{other.ledger.study}`) the order by mean "
        f"BLEU is {', '.join(there)}; with {found.study.pieces:,} it is {', '.join(here)}: "
        f"{verdict}. Variants that are close may change places by chance."
    )


def ordered(found: Findings, names: Sequence[str]) -> list[str]:
    """Return variants by their mean BLEU, the best first."""
    scores = {one.name: mean(one.scores("bleu")) for one in found.results}
    return sorted(names, key=lambda name: -scores[name])
