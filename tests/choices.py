"""The choices that configs/ offers: a new yaml there is a new case of every test that asks here."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import cache, partial
from itertools import combinations, cycle, product
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf

from nmt.attention.history import Historic

CONFIGS = Path(__file__).parent.parent / "configs"


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


ALL = bool(os.environ.get("NMT_TEST_ALL"))  # make test-all


def in_turns(values: Iterable[Any], others: Iterable[Any]) -> list[tuple]:
    """Each value once, with one of the others in turns; `make test-all` takes the product."""
    return list(product(values, others) if ALL else zip(values, cycle(others), strict=False))


def pairs(*axes: Iterable[Any], valid: Callable[..., bool] = lambda *_: True) -> list[tuple]:
    """Few cases in which each value meets each value of every other axis, where `valid` lets it.

    Most faults need one value or two together (Kuhn et al. 2004). `make test-all` takes the whole
    product. The case that brings most new pairs is taken next, so the order is always the same.
    """
    kept = [case for case in product(*axes) if valid(*case)]
    if ALL:
        return kept
    bits: dict[tuple, int] = defaultdict(lambda: 1 << len(bits))
    met = [sum(bits[two] for two in combinations(enumerate(map(repr, case)), 2)) for case in kept]
    missing, chosen = (1 << len(bits)) - 1, []
    while missing:
        best = max(range(len(kept)), key=lambda number: (met[number] & missing).bit_count())
        missing &= ~met[best]
        chosen.append(kept[best])
    return chosen


loaded = cache(OmegaConf.load)
FACTORIES: dict[str, partial] = {}  # that were made; hundreds of tests ask for each


def choose(group: str, name: str, **values: Any) -> Any:
    """What the yaml builds, with other values for those of its keys that are named here."""
    asked = f"{group}/{name} {values}"
    if asked in FACTORIES:
        return FACTORIES[asked]
    config = deepcopy(loaded(CONFIGS / group / f"{name}.yaml"))
    for key in values.keys() & config.keys():
        config[key] = values[key]
    made = instantiate(config)
    if isinstance(made, partial):
        FACTORIES[asked] = made
    return made


def goes_with(normalize: str, window: str) -> bool:
    """Whether a normalizer lets a window stand beside it."""
    return window == "full" or normalize != "monotonic"


# Those that know what was found before: for what goes from position to position.
HISTORIC, HISTORIC_NORMALIZERS = (
    [name for name in names(group) if issubclass(choose(group, name).func, Historic)]
    for group in ("attention", "normalize")
)
