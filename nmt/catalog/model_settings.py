"""Settings of a model that are choices of its attention, though no group of yamls has them."""

import inspect
import re
from textwrap import dedent
from typing import Any, NamedTuple

from nmt.attention.attention import Attention
from nmt.attention.heads import MultiHead
from nmt.catalog.choices import Setting, path_of, plain, settings_of
from nmt.models.copying import Copy


class ModelSetting(NamedTuple):
    """A key of ``model=``, with a value that turns it on and what has to be typed beside it.

    Its page has what a :class:`nmt.catalog.choices.Choice` has.
    """

    group: str  # the key
    name: str  # the value
    kind: type
    beside: tuple[str, ...]
    why: str

    @property
    def word(self) -> str:
        """What is typed for it."""
        return f"model.{self.group}={self.name}"

    def text(self) -> str:
        """Return what the class says of this argument; all that it says if it is made for it."""
        documented = plain(inspect.getdoc(self.kind))
        found = re.search(rf"^{self.group}: (.*\n?(?: +.*\n?)*)", documented, re.MULTILINE)
        if found is None:
            return documented
        first, _, rest = found[1].strip().partition("\n")
        return f"{first.strip()}\n{dedent(rest)}".strip()

    def purpose(self) -> str:
        """Return what it is for, in a sentence."""
        return self.why

    @property
    def settings(self) -> list[Setting]:
        """Its default, with the comment in the yaml of the model."""
        return [one for one in settings_of(path_of("model", "rnn")) if one.key == self.group]

    def facts(self) -> list[str]:
        """Return nothing: what is true of the weights depends on the other choices."""
        return []


MODEL_SETTINGS = {
    one.group: one
    for one in (
        ModelSetting(
            *("soft_cap", "20", Attention, ("model=rnn_small",)),
            "Keeps scores in a range in which the softmax still learns.",
        ),
        ModelSetting(
            *("copy", "true", Copy, ("model=rnn_small", "tokenizer.joint=true")),
            "Takes names, numbers and other pieces that are the same in both languages from the "
            "source.",
        ),
        ModelSetting(
            *("key_heads", "1", MultiHead, ("model=transformer_small",)),
            "Saves parameters and, in decoding, memory and time.",
        ),
    )
}


def model_setting(word: str) -> ModelSetting | None:
    """Return the setting that a word names: copy, model.copy or model.copy=true; None: none."""
    named: Any = re.fullmatch(r"(?:model\.)?(\w+)", word) or re.fullmatch(r"model\.(\w+)=.*", word)
    return MODEL_SETTINGS.get(named[1]) if named else None
