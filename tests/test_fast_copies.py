"""A configuration that is copied fast is copied whole."""

from copy import deepcopy
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import ValidationError


class Colour(Enum):
    RED = 1


@dataclass
class Typed:
    """A value of each type that OmegaConf has a class for."""

    text: str = "a"
    number: int = 1
    part: float = 0.5
    yes: bool = True
    raw: bytes = b"b"
    path: Path = Path("c")
    colour: Colour = Colour.RED
    maybe: int | None = None
    mixed: list[Any] = field(default_factory=lambda: [1, {"d": "${...text}"}, None])


def test_a_fast_copy_is_a_copy():
    """Of the same values and types; neither shares a value, a flag or a parent with the other."""
    whole = OmegaConf.create({"typed": OmegaConf.structured(Typed), "free": [{"e": "???"}]})
    OmegaConf.set_readonly(whole.free, True)
    before = OmegaConf.to_yaml(whole)
    for one in (deepcopy(whole), deepcopy(whole.typed)):
        typed = one if "typed" not in one else one.typed
        assert typed == whole.typed
        assert OmegaConf.get_type(typed) is Typed
        for key in typed:
            theirs, ours = whole.typed._get_node(key), typed._get_node(key)
            assert (type(ours), ours._metadata) == (type(theirs), theirs._metadata)
            assert ours is not theirs
            assert ours._metadata.flags is not theirs._metadata.flags
            assert ours._get_parent() is typed
        with pytest.raises(ValidationError):
            typed.number = "many"
        typed.text, typed.mixed[0] = "changed", 7
        assert typed.mixed[1].d == "changed"
    copied = deepcopy(whole)
    assert OmegaConf.is_readonly(copied.free[0])
    OmegaConf.set_readonly(copied.free, False)
    OmegaConf.set_readonly(copied.typed, True)
    copied.free[0].e = 3
    assert OmegaConf.is_readonly(whole.free)
    assert not OmegaConf.is_readonly(whole.typed)
    assert OmegaConf.to_yaml(whole) == before
    for missing in (DictConfig("???"), ListConfig(None), DictConfig("${a}")):
        assert deepcopy(missing)._value() == missing._value()
