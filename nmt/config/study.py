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


@dataclass
class Study:
    """The file of a study, configs/study/NAME.yaml."""

    title: str = ""  # the heading of its page
    base: list[str] = field(default_factory=list)  # arguments of nmt train, of all runs
    pieces: int = 0  # target pieces that each run reads
    variants: dict[str, list[str]] = field(default_factory=dict)  # the arguments of each
    baseline: str = ""  # the variant that the others are tested against
    seeds: list[int] = field(default_factory=list)  # each variant is trained with each
    tune: Tune | None = None  # null: variants have their arguments alone
    # Test sets by name: the value of data.test, null where the corpus has one alone. A run tests
    # itself on the first.
    tests: dict[str, Any] = field(default_factory=dict)
    # Pairs of source and target that we wrote: where each model looks is kept with its run.
    sentences: list[list[str]] = field(default_factory=list)

    @property
    def tuned_key(self) -> str:
        """The setting that is tuned; empty: none is."""
        return self.tune.key if self.tune else ""

    @property
    def tried(self) -> list[Any]:
        """The values of the tuned setting; None alone: nothing is tuned."""
        return self.tune.values if self.tune else [None]

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
        if self.baseline not in self.variants:
            raise UserError(
                f"study.baseline={self.baseline}: choose one of {', '.join(self.variants)}"
            )
        if self.tune and len(self.tune.values) < 2:
            raise UserError(f"study.tune.values={self.tune.values}: give two or more, or tune=null")
        if any(len(pair) != 2 for pair in self.sentences):
            raise UserError("study.sentences: each is a list of two, source and target")
