"""The runs of a study, and which of them are still to be trained."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from nmt.config.study import Study
from nmt.errors import UserError


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

    None: nothing is tuned, or not all values have been tried. Of equals the first. A variant of
    ``tune.same_as`` has the value of the other one.
    """
    if not study.tune:
        return None
    variant = study.leader(variant)
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
    seeds = study.seeds_of(variant)
    if not study.tune:
        yield from (Job(variant, None, seed) for seed in seeds)
        return
    if tries(study, variant):
        first, *seeds = seeds
        yield from (Job(variant, value, first) for value in study.tune.values)
    value = chosen(study, variant, done)
    if value is not None:
        yield from (Job(variant, value, seed) for seed in seeds)


def tries(study: Study, variant: str) -> bool:
    """Tell whether a variant is trained with all values of the tuned setting."""
    return study.tune is not None and study.leader(variant) == variant


def number_of_runs(study: Study, variants: Sequence[str]) -> int:
    """Return how many runs variants have in all."""
    more = len(study.tried) - 1
    return sum(len(study.seeds_of(name)) + more * tries(study, name) for name in variants)


def part_of(study: Study, part: str | None) -> list[str]:
    """Return the variants of a part, such as 1/2; all for None. UserError for any other text.

    A variant of ``tune.same_as`` is in the part of the one that its value is from.
    """
    if part is None:
        return list(study.variants)
    names = [name for name in study.variants if study.leader(name) == name]
    found = re.fullmatch(r"(\d+)/(\d+)", part)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UserError(f"part={part}: must be like 1/2, the first of two parts")
    mine = names[int(found[1]) - 1 :: int(found[2])]
    if not mine:
        raise UserError(
            f"part={part}: the study has only {len(names)} variants, so this part is empty"
        )
    return [name for name in study.variants if study.leader(name) in mine]
