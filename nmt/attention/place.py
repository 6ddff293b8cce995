"""The three places of attention in a model, and what may be chosen for each of them."""

from enum import StrEnum

# What may differ from layer to layer, by the names that a model has for it.
OF_LAYERS = (
    "attention",
    "normalize",
    "window",
    "sink",
    "gate",
    "head_width",
    "tie_keys_values",
    "key_heads",
    "soft_cap",
)
CHOICES = (*OF_LAYERS, "heads", "hops")  # what may differ from place to place


class Place(StrEnum):
    """Where an attention is, by the word that is typed for it."""

    ENCODER = "encoder"  # self-attention of the source
    DECODER = "decoder"  # masked self-attention of the target
    CROSS = "cross"  # source-target attention
