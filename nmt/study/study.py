"""What a study is: variants, seeds, a budget, and which of its runs are still to be trained."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from nmt.errors import UserError, at_least

NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")


@dataclass
class Tune:
    """A setting of which each variant gets the better value, on dev, with the first seed."""

    key: str = "optimizer.lr"
    values: list[Any] = field(default_factory=list)


@dataclass
class Study:
    """The file of a study, configs/study/NAME.yaml."""

    title: str = ""
    base: list[str] = field(default_factory=list)  # arguments of nmt train, of all runs
    pieces: int = 0  # target pieces that each run reads
    variants: dict[str, list[str]] = field(default_factory=dict)  # the arguments of each
    baseline: str = ""  # the variant that the others are tested against
    seeds: list[int] = field(default_factory=list)
    tune: Tune | None = None  # null: variants have their arguments alone
    # Test sets by name: the value of data.test, null where the corpus has one alone. A run tests
    # itself on the first.
    tests: dict[str, Any] = field(default_factory=dict)
    # Pairs of source and target that we wrote: where each model looks is kept with its run.
    sentences: list[list[str]] = field(default_factory=list)

    def check(self) -> None:
        """Raise UserError, with the key, for a study that cannot be run."""
        at_least(1, {"study.pieces": self.pieces})
        for key in ("variants", "seeds", "tests"):
            if not getattr(self, key):
                raise UserError(f"study.{key} is empty: a study needs at least one")
        for name in self.variants:
            if not NAME.fullmatch(name):
                raise UserError(
                    f"study.variants: {name!r} names folders, so it is made of letters, digits "
                    "and _ . + -"
                )
        seen: dict[str, str] = {}
        for name, typed in self.variants.items():
            same = seen.setdefault(" ".join(sorted(typed)), name)
            if same != name:
                raise UserError(f"study.variants: {same} and {name} have the same arguments")
        if len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"study.seeds={self.seeds}: a seed is there twice")
        if self.baseline not in self.variants:
            raise UserError(f"study.baseline={self.baseline}: there are {', '.join(self.variants)}")
        if self.tune and len(self.tune.values) < 2:
            raise UserError(f"study.tune.values={self.tune.values}: give two or more, or tune=null")
        if any(len(pair) != 2 for pair in self.sentences):
            raise UserError("study.sentences: each is a list of two, source and target")


class Job(NamedTuple):
    """One run of a study."""

    variant: str
    value: Any  # of the tuned setting; None: nothing is tuned
    seed: int

    def name(self, key: str) -> str:
        """Return a name for the folder of the run and its arrays; ``key`` is the tuned setting."""
        tuned = [] if self.value is None else [f"{key}={self.value}"]
        return ",".join([self.variant, *tuned, f"seed={self.seed}"])


class Done(Protocol):
    """A run that has ended."""

    @property
    def job(self) -> Job:
        """Which one."""
        ...

    @property
    def best_dev(self) -> float:
        """Its best BLEU on dev."""
        ...


def chosen(study: Study, variant: str, done: Iterable[Done]) -> Any:
    """Return the value of the tuned setting with the best dev BLEU under the first seed.

    None: nothing is tuned, or not all values have been tried. Of equals the first.
    """
    if not study.tune:
        return None
    scores = {
        one.job.value: one.best_dev
        for one in done
        if one.job.variant == variant and one.job.seed == study.seeds[0]
    }
    values = study.tune.values
    if any(value not in scores for value in values):
        return None
    return max(values, key=lambda value: scores[value])


def missing(study: Study, variants: Sequence[str], done: Sequence[Done]) -> list[Job]:
    """Return the runs that can be trained now and have not ended, in order.

    Once the tuned setting is chosen the other seeds of a variant follow.
    """
    ended = {one.job for one in done}
    return [job for name in variants for job in known(study, name, done) if job not in ended]


def known(study: Study, variant: str, done: Sequence[Done]) -> Iterator[Job]:
    """Yield the runs of a variant as far as they are known."""
    first, *others = study.seeds
    if not study.tune:
        yield from (Job(variant, None, seed) for seed in study.seeds)
        return
    yield from (Job(variant, value, first) for value in study.tune.values)
    value = chosen(study, variant, done)
    if value is not None:
        yield from (Job(variant, value, seed) for seed in others)


def number_of_runs(study: Study, variants: Sequence[str]) -> int:
    """Return how many runs variants have in all."""
    tried = len(study.tune.values) if study.tune else 1
    return len(variants) * (tried + len(study.seeds) - 1)


def part_of(study: Study, part: str | None) -> list[str]:
    """Return the variants of a part, such as 1/2; all for None. UserError for what is no part."""
    names = list(study.variants)
    if part is None:
        return names
    found = re.fullmatch(r"(\d+)/(\d+)", part)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError(f"part={part}: must be like 1/2, the first of two parts")
    return names[int(found[1]) - 1 :: int(found[2])]
