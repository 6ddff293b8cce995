"""The file of a study: variants, seeds, a budget."""

import re
from dataclasses import dataclass, field
from typing import Any

from nmt.errors import UserError, at_least

NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")


@dataclass
class Tune:
    """A setting of which each variant gets the better value, on dev, with the first seed."""

    key: str = "optimizer.lr"  # the setting
    values: list[Any] = field(default_factory=list)  # those that are tried
    # Variants that take the value of another one, by name, and try none themselves.
    same_as: dict[str, str] = field(default_factory=dict)


@dataclass
class MoreSeeds:
    """Seeds that only some variants are trained with."""

    seeds: list[int] = field(default_factory=list)  # besides those of the study
    variants: list[str] = field(default_factory=list)  # their names


@dataclass
class Study:
    """The file of a study, configs/study/NAME.yaml."""

    title: str = ""  # the heading of its page
    base: list[str] = field(default_factory=list)  # arguments of nmt train, of all runs
    pieces: int = 0  # target pieces that each run reads
    variants: dict[str, list[str]] = field(default_factory=dict)  # the arguments of each
    baseline: str = ""  # the variant that the others are tested against
    seeds: list[int] = field(default_factory=list)  # each variant is trained with each
    more_seeds: MoreSeeds | None = None  # null: all variants have the same seeds
    tune: Tune | None = None  # null: variants have their arguments alone
    # Test sets by name: the value of data.test. Runs are tested on the first at their end; null
    # there is that of the base.
    tests: dict[str, Any] = field(default_factory=dict)
    # Pairs of source and target that we wrote: where each model looks is kept with its run.
    sentences: list[list[str]] = field(default_factory=list)
    # Which words of each of these pairs translate each other, such as "0-0 1p2"; for AER.
    links: list[str] = field(default_factory=list)

    @property
    def tuned_key(self) -> str:
        """The setting that is tuned; empty: none is."""
        return self.tune.key if self.tune else ""

    @property
    def tried(self) -> list[Any]:
        """The values of the tuned setting; None alone: nothing is tuned."""
        return self.tune.values if self.tune else [None]

    def leader(self, variant: str) -> str:
        """Return the variant whose value of the tuned setting a variant takes: mostly its own."""
        return self.tune.same_as.get(variant, variant) if self.tune else variant

    def seeds_of(self, variant: str) -> list[int]:
        """Return the seeds that a variant is trained with."""
        more = self.more_seeds
        return [*self.seeds, *(more.seeds if more and variant in more.variants else [])]

    def check(self) -> None:
        """Raise UserError, with the key, for a study that cannot be run."""
        at_least(1, {"study.pieces": self.pieces})
        for key in ("variants", "seeds", "tests"):
            if not getattr(self, key):
                raise UserError(f"study.{key} is empty: a study needs at least one")
        for name in self.variants:
            if not NAME.fullmatch(name):
                raise UserError(
                    f"study.variants: {name!r} becomes the name of a folder: use letters, "
                    "digits and _ . + -"
                )
        seen: dict[str, str] = {}
        for name, typed in self.variants.items():
            same = seen.setdefault(" ".join(sorted(typed)), name)
            if same != name:
                raise UserError(f"study.variants: {same} and {name} have the same arguments")
        if len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"study.seeds={self.seeds}: a seed occurs twice")
        self.require_variant("study.baseline", self.baseline)
        if self.tune and len(self.tune.values) < 2:
            raise UserError(f"study.tune.values={self.tune.values}: give two or more, or tune=null")
        self.check_more_seeds()
        self.check_same_as()
        own = [name for name, value in self.tests.items() if value is None]
        if own and own != [next(iter(self.tests))]:
            raise UserError(
                f"study.tests.{own[-1]}: null is the corpus's own test set and comes first: "
                "write the value of data.test"
            )
        if any(len(pair) != 2 for pair in self.sentences):
            raise UserError("study.sentences: each is a list of two, source and target")
        if self.links and len(self.links) != len(self.sentences):
            raise UserError(
                f"study.links has {len(self.links)} lines for {len(self.sentences)} pairs in "
                "study.sentences: give one line for each, or none"
            )

    def require_variant(self, key: str, name: str) -> None:
        """Raise UserError for the name of a variant that the study lacks."""
        if name not in self.variants:
            raise UserError(f"{key}={name}: choose one of {', '.join(self.variants)}")

    def check_more_seeds(self) -> None:
        """Raise UserError for more seeds without effect: none, known ones, or of no variant."""
        if not self.more_seeds:
            return
        for key in ("seeds", "variants"):
            if not getattr(self.more_seeds, key):
                raise UserError(f"study.more_seeds.{key} is empty: add some, or remove more_seeds")
        for name in self.more_seeds.variants:
            self.require_variant("study.more_seeds.variants", name)
        seeds = self.more_seeds.seeds
        twice = [seed for seed in seeds if seed in self.seeds or seeds.count(seed) > 1]
        if twice:
            raise UserError(
                f"study.more_seeds.seeds={seeds}: {twice[0]} occurs twice, or is in "
                f"study.seeds={self.seeds}, which all variants have"
            )

    def check_same_as(self) -> None:
        """Raise UserError for a variant that would take a value from where none is chosen."""
        for name, other in self.tune.same_as.items() if self.tune else ():
            self.require_variant("study.tune.same_as", name)
            self.require_variant(f"study.tune.same_as.{name}", other)
            if self.leader(other) != other or name == other:
                raise UserError(
                    f"study.tune.same_as.{name}={other}: {other} does not choose a value itself"
                )
