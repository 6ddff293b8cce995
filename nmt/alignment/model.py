"""What one model's attention says of a text."""

from typing import Any, NamedTuple

from torch import Tensor

from nmt.alignment.attention import LinkRule, attention_links, shape
from nmt.alignment.choice import Asked, best_reading, described
from nmt.errors import UserError
from nmt.links.bitext import Bitext
from nmt.links.links import Links
from nmt.models.contributions import MEASURES
from nmt.run import Translator


class FromAttention(NamedTuple):
    """The links of each line, source first in the model's direction."""

    links: list[Links]
    weights: list[Tensor]  # (T,S) words, of each line
    reading: str  # which attention it was, in words
    about: dict[str, Any]  # the same for result.json; numbers count from 1, None is the mean


def from_attention(
    translator: Translator,
    run: str,
    text: Bitext,
    dev: Bitext | None,
    asked: Asked,
    rule: LinkRule,
    of: str = "weights",
) -> FromAttention:
    """Force a model on a text and read its links, from the attention that is best on dev.

    ``of`` is what is read of it, see `nmt.models.contributions`.

    UserError for a model without source-target attention, for an attention that it does not have,
    and where several are asked for and there are no gold links to choose by.
    """
    measure = MEASURES[of]
    found = shape(translator, measure)
    if found is None:
        raise UserError(f"{run} has attention=none, so there is nothing to align")
    numbers = {"layer": asked.layer, "head": asked.head}
    typed = [f"{key}={number}" for key, number in numbers.items() if isinstance(number, int)]
    if of == "gradients" and typed:
        raise UserError(
            f"{' '.join(typed)}: gradients have neither layers nor heads; remove this, or remove "
            "gradients from of="
        )
    readings = asked.readings(found, run)
    on_dev = None
    if len(readings) > 1:
        if dev is None:
            raise UserError(
                "best is chosen by gold links of dev sentences, but there are none: pass "
                "dev.source=FILE dev.target=FILE dev.gold=FILE, or set layer, head and shift"
            )
        reading, on_dev = best_reading(translator, dev, readings, rule, measure)
    else:
        (reading,) = readings
    links, weights = attention_links(translator, text, reading, rule, measure)
    layer, head = (None if n is None else n + 1 for n in (reading.layer, reading.head))
    about = {"of": of, "layer": layer, "head": head, "shift": reading.shift, **found._asdict()}
    words = described(reading, found)
    if on_dev is not None:
        about |= {"readings": len(readings), "dev_aer": round(on_dev.error, 6)}
        words += f" (of {len(readings)}, the best on dev: AER {on_dev.error:.2%})"
    return FromAttention(links, weights, words, about)
