"""The recurrent encoder: layers that read the source forwards and, if wished, backwards.

With self-attention, their annotations then read each other.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nmt.attention.attend import Attend
from nmt.attention.dropout import Dropout
from nmt.models.recurrent import Recurrent


class Encoded(NamedTuple):
    """What an encoder returns for a batch of sentences."""

    states: Tensor  # (B,S,De) one annotation per source piece: [h→_s ; h←_s]
    last: Tensor  # (B,De) the state after the whole sentence: [h→_S ; h←_1]


class Encoder(nn.Module):
    """Annotations of every source piece (Bahdanau et al. 2015, section 3.2).

        h_s = [h→_s ; h←_s]
        h_s + Attention(h_s, (h_1 … h_S))                 with self-attention

    Attention over the states of a recurrent encoder is that of Lin et al. 2017 (A structured
    self-attentive sentence embedding), where learned vectors ask; here each state asks.

    Sentences are read padded: each direction meets its padding after the sentence, never before it,
    so the states of a sentence do not depend on the sentences beside it.
    """

    def __init__(
        self,
        input_width: int,
        width: int,
        num_layers: int,
        bidirectional: bool,
        cell: Callable[[int, int], Recurrent],
        dropout: float,
        self_attend: Callable[[int], Attend] | None = None,
    ) -> None:
        super().__init__()
        self.width = 2 * width if bidirectional else width
        widths = [input_width] + [self.width] * (num_layers - 1)
        layer = BothWays if bidirectional else OneWay
        self.layers = nn.ModuleList(layer(w, width, cell) for w in widths)
        self.dropout = Dropout(dropout)
        self.self_attend = self_attend(self.width) if self_attend else None

    def forward(self, x: Tensor, mask: Tensor) -> Encoded:
        """Read embeddings (B,S,E) of sentences whose pieces ``mask`` (B,S) marks, padding last."""
        lengths = mask.sum(1)
        encoded = self.layers[0](x, lengths)
        for layer in self.layers[1:]:
            encoded = layer(self.dropout(encoded.states), lengths)
        if self.self_attend is None:
            return encoded
        states = encoded.states
        position = torch.arange(states.size(1), device=states.device)
        context = self.self_attend.look_within(states, mask[:, None], position)  # (B,S,De)
        return encoded._replace(states=states + self.dropout(context))


class OneWay(nn.Module):
    """A layer that reads from left to right."""

    def __init__(self, input_width: int, width: int, cell: Callable[[int, int], Recurrent]) -> None:
        super().__init__()
        self.cell = cell(input_width, width)

    def forward(self, x: Tensor, lengths: Tensor) -> Encoded:
        """Read (B,S,E) with the lengths (B,)."""
        start = x.new_zeros(x.size(0), self.cell.state_width)
        states = self.cell(x, start)  # (B,S,D)
        return Encoded(states, take(states, lengths[:, None] - 1)[:, 0])


class BothWays(nn.Module):
    """Two layers side by side, the second of which reads each sentence from its end."""

    def __init__(self, input_width: int, width: int, cell: Callable[[int, int], Recurrent]) -> None:
        super().__init__()
        self.forwards = OneWay(input_width, width, cell)
        self.backwards = OneWay(input_width, width, cell)

    def forward(self, x: Tensor, lengths: Tensor) -> Encoded:
        """Read (B,S,E) with the lengths (B,)."""
        mirror = mirrored(lengths, x.size(1))
        forth = self.forwards(x, lengths)
        back = self.backwards(take(x, mirror), lengths)
        states = torch.cat([forth.states, take(back.states, mirror)], dim=-1)  # (B,S,2D)
        return Encoded(states, torch.cat([forth.last, back.last], dim=-1))


def mirrored(lengths: Tensor, size: int) -> Tensor:
    """Return the positions (B,S) that read each sentence backwards and leave its padding behind."""
    positions = torch.arange(size, device=lengths.device)
    return torch.where(positions < lengths[:, None], lengths[:, None] - 1 - positions, positions)


def take(x: Tensor, positions: Tensor) -> Tensor:
    """Pick positions (B,P) of each sequence of (B,S,D): (B,P,D)."""
    return x.gather(1, positions.unsqueeze(-1).expand(-1, -1, x.size(-1)))
