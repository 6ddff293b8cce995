"""What was meant by a key or a choice that does not exist."""

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from typing import Any

from omegaconf import DictConfig, OmegaConf

MOST = 3  # suggestions
ALIKE = 0.75  # of difflib's ratio, from which on one name is taken for a misspelling of another


def did_you_mean(meant: Iterable[str]) -> str:
    """Return a question that names what was meant, with a space before it; empty: nothing is."""
    *first, last = list(dict.fromkeys(meant))[:MOST] or [""]
    return f" Did you mean {', '.join(first)}{' or ' * bool(first)}{last}?" if last else ""


def similar_keys(full_key: str, known: Iterable[str], cfg: DictConfig) -> list[str]:
    """List the keys that may have been meant, the likeliest first.

    A key of the same name elsewhere (decode.beam for beam); else those of ``known``, which stand
    at its place, that are spelled alike; else those elsewhere.
    """
    path, _, name = full_key.rpartition(".")
    # +key= has put the wrong one there, before it is found to be wrong.
    there = [key for key in keys(OmegaConf.to_container(cfg._get_root())) if key != full_key]
    same = [key for key in there if key.rpartition(".")[2] == name]
    beside = [f"{path}.{one}".lstrip(".") for one in known]
    return same or similar(name, beside) or similar(name, there)


def similar(name: str, names: Iterable[str]) -> list[str]:
    """Return the names, or keys with such a last part, that are spelled alike, the likeliest first.

    It is enough that one word of a name is: max_steps is like step. Letters in another order are
    alike however short a name is: rnu is like run.
    """

    def likeness(key: str) -> float:
        last = key.rpartition(".")[2]
        if sorted(name) == sorted(last):
            return 1.0
        return max(SequenceMatcher(None, name, one).ratio() for one in (last, *last.split("_")))

    found = {one: likeness(one) for one in names}
    return sorted((one for one in found if found[one] >= ALIKE), key=lambda one: -found[one])


def keys(node: Any, path: str = "") -> Iterator[str]:
    """Yield the keys of nested mappings, such as train.max_steps, but for Hydra's own."""
    for key, value in node.items() if isinstance(node, dict) else ():
        if not (key == "hydra" or str(key).startswith("_")):
            yield f"{path}{key}"
            yield from keys(value, f"{path}{key}.")
