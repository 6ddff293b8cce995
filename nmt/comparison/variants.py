"""Variants: groups of runs that differ only in their seed, named by the settings that differ."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from nmt.comparison.runs import Run
from nmt.config.check import PARTS
from nmt.config.places import wider
from nmt.config.settings import Setting
from nmt.errors import UserError

Identity = dict[str, Setting]
ABSENT = "–"  # of a setting that a variant does not have


@dataclass
class Variant:
    """Runs of the same settings with different seeds, the lowest seed first."""

    name: str
    short: str  # its name without the keys, which stand above
    identity: Identity
    runs: list[Run] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        """The seeds of its runs."""
        return [run.seed for run in self.runs]

    def of_seed(self, seed: int) -> Run | None:
        """Return the run of a seed."""
        return next((run for run in self.runs if run.seed == seed), None)


class Naming:
    """Names settings by the keys in which they differ.

    Settings that the name of a part implies are left out: ``attention=bahdanau`` implies its width
    if all with bahdanau have the same, and ``model=transformer`` may imply the learning rate. Such
    keys are in :attr:`differing`, and those outside the part also in :attr:`implied`.
    """

    def __init__(self, identities: Sequence[Identity]) -> None:
        keys = dict.fromkeys(key for identity in identities for key in identity)
        self.differing = [k for k in keys if len({value_of(one, k) for one in identities}) > 1]
        told = [
            key
            for key in self.differing
            if not any(implies(part, key, identities) for part in self.above(key))
        ]
        parts = [key for key in told if "." not in key]
        self.implied = [
            key
            for key in told
            if key not in parts and any(implies(part, key, identities) for part in parts)
        ]
        settings = [key for key in told if key not in (*parts, *self.implied)]
        self.keys = [*parts, *settings] or ["model", "attention"]

    def above(self, key: str) -> list[str]:
        """Return the differing parts that a key belongs to; only an RNN has a cell, for example."""
        parts = [part for part in self.differing if key.startswith(f"{part}.")]
        return [*parts, "model"] if key in PARTS and "model" in self.differing else parts

    def name(self, identity: Identity) -> str:
        """Return `attention=bahdanau, model.dropout=0.1`."""
        return ", ".join(f"{key}={typed(value)}" for key, value in self.values(identity))

    def short(self, identity: Identity) -> str:
        """Return `bahdanau, dropout=0.1`."""
        ends = Counter(key.rpartition(".")[2] for key in self.keys)
        shown = [(key, key.rpartition(".")[2], typed(v)) for key, v in self.values(identity)]
        return ", ".join(
            value if key == end else f"{end if ends[end] == 1 else key}={value}"
            for key, end, value in shown
        )

    def values(self, identity: Identity) -> list[tuple[str, Setting]]:
        """Return the keys that name settings and their values, without keys that these lack."""
        found = [(key, shown_at(identity, key)) for key in self.keys]
        return [(key, value) for key, value in found if value != ABSENT] or found

    @property
    def heading(self) -> str:
        """Return `attention, model.dropout`."""
        return ", ".join(self.keys)


def typed(value: Setting) -> str:
    """Write a value as on the command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def shown_at(identity: Identity, key: str) -> Setting:
    """Return the value of a key, as :func:`value_of`; ABSENT for a key of a part that it lacks."""
    value = value_of(identity, key)
    known = any(one in identity for one in (key, *wider(key)))
    return value if known or "." not in key else ABSENT


def value_of(identity: Identity, key: str) -> Setting:
    """Return the value of a key, or the one that holds for all places; else "none"."""
    return next((identity[one] for one in (key, *wider(key)) if one in identity), "none")


def implies(part: str, key: str, identities: Sequence[Identity]) -> bool:
    """Tell whether the settings agree on a key wherever they agree on a part."""
    pairs = {(value_of(one, part), value_of(one, key)) for one in identities}
    return len(pairs) == len({first for first, _ in pairs})


def identify(runs: list[Run]) -> list[Identity]:
    """Return the settings of each run without the seed, and how it was scored where that differs.

    The text of the test set and the signatures are not settings, but runs that differ in them
    (``allow=``) must not become one variant.
    """
    scored = [scored_by(run) for run in runs]
    known = {item for one in scored for item in one.items()}
    several = [key for key, number in Counter(key for key, _ in known).items() if number > 1]
    return [
        {key: value for key, value in run.settings.items() if key != "seed"}
        | {key: one[key] for key in sorted(several, reverse=True) if key in one}
        for run, one in zip(runs, scored, strict=True)
    ]


def scored_by(run: Run) -> dict[str, str]:
    """Return what a run's BLEU was scored on and how, as far as it is known."""
    if run.why:
        return {}
    found = {"test set": run.test_set, "signature": run.result.get("signatures", {}).get("bleu")}
    return {key: value for key, value in found.items() if value is not None}


def group(runs: list[Run], identities: list[Identity], naming: Naming) -> list[Variant]:
    """Sort runs into variants. UserError where two runs have the same settings and seed."""
    found: dict[frozenset[tuple[str, Setting]], Variant] = {}
    for run, identity in zip(runs, identities, strict=True):
        key = frozenset(identity.items())
        new = Variant(naming.name(identity), naming.short(identity), identity)
        variant = found.setdefault(key, new)
        same = variant.of_seed(run.seed)
        if same:
            raise UserError(
                f"{same.folder} and {run.folder} have the same settings and the same seed, "
                f"{run.seed}: they are the same run twice. Remove one"
            )
        variant.runs.append(run)
    for variant in found.values():
        variant.runs.sort(key=lambda run: run.seed)
    return list(found.values())


def choose(variants: list[Variant], baseline: str | None) -> Variant:
    """Return the variant to compare the others with; None: the first.

    Its name may be the full one, or a setting or value that no other variant has: `none` for
    `attention=none`. UserError where no variant or several fit.
    """
    if baseline is None:
        return variants[0]
    wanted = baseline.replace(" ", "")
    names = [variant.name.replace(" ", "") for variant in variants]
    exact = [one for one, name in zip(variants, names, strict=True) if name == wanted]
    some = [
        one
        for one, name in zip(variants, names, strict=True)
        if any(wanted in (word, word.partition("=")[2]) for word in name.split(","))
    ]
    found = exact or some
    if len(found) == 1:
        return found[0]
    told = "several variants match" if found else "no variant has this name"
    listed = "; ".join(variant.name for variant in found or variants)
    raise UserError(f"baseline={baseline}: {told}. Choose one of: {listed}")
