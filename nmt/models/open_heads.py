"""Which heads of a trained model are open, where it has gates that can close them."""

from nmt.attention.head_gate import L0Gate
from nmt.models.seq2seq import Kind, Seq2Seq


def open_heads(model: Seq2Seq) -> dict[Kind, list[list[float]]]:
    """Return how far each head is open in evaluation, 0 to 1, of each kind by layers.

    0 is a head that gives exactly nothing. Kinds without such gates (``gate=l0``) are left out.
    """
    found: dict[Kind, list[list[float]]] = {}
    for kind, layers in model.attentions().items():
        for attend in layers:
            for part in attend.modules():
                if isinstance(part, L0Gate):
                    opened = part.opened().detach().flatten()
                    found.setdefault(kind, []).append([round(g, 4) for g in opened.tolist()])
    return found


def num_open(heads: list[list[float]]) -> int:
    """Count the heads that are not closed."""
    return sum(g > 0 for layer in heads for g in layer)


def in_words(found: dict[Kind, list[list[float]]]) -> str:
    """Say how many heads of each kind are open, and of each layer: "encoder self 5/8 (2 3)"."""
    kinds = [
        f"{kind} {num_open(heads)}/{sum(map(len, heads))} "
        f"({' '.join(str(num_open([layer])) for layer in heads)})"
        for kind, heads in found.items()
    ]
    return "open heads: " + ", ".join(kinds)
