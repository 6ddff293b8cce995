"""The three places of attention, what may be chosen for each, and what its parts are told."""

import inspect
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any

# What may differ from layer to layer, by the names that a model has for it.
OF_LAYERS = (
    "attention",
    "normalize",
    "window",
    "sink",
    "gate",
    "mix",
    "head_width",
    "tie_keys_values",
    "key_heads",
    "soft_cap",
)
CHOICES = (*OF_LAYERS, "heads", "hops")  # what may differ from place to place


class Place(StrEnum):
    """Where an attention is, by its name in settings."""

    ENCODER = "encoder"  # self-attention of the source
    DECODER = "decoder"  # masked self-attention of the target
    CROSS = "cross"  # source-target attention


def told(make: Callable[..., Any], **facts: str | int) -> Callable[..., Any]:
    """Tell a part such facts as where it is, if its constructor has parameters for them."""
    asked = inspect.signature(make).parameters
    return partial(make, **{name: value for name, value in facts.items() if name in asked})
