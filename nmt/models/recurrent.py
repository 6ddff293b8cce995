"""One recurrent layer, which computes the same numbers for a whole sequence or step by step.

The whole sequence goes through the library's kernel (cuDNN on a GPU, oneDNN on a CPU). A single
step is for decoders that feed something back (a context, an attentional vector), and for search.
Everything a layer carries from step to step is one tensor of ``state_width`` numbers whose first
``width`` numbers are the output h.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.hardware.products import linear


class Recurrent(nn.Module, ABC):
    """A recurrent layer over ``input_width`` numbers per step and ``feed_width`` fed-back ones.

    The fed-back input has a matrix of its own, so that what the target words alone decide
    (:meth:`gates`) is computed for all steps at once, before a loop.
    """

    state_width: int
    network: nn.LSTM | nn.GRU

    def __init__(self, input_width: int, width: int, feed_width: int = 0) -> None:
        super().__init__()
        self.width = width
        self.feed_width = feed_width

    def _build(self, kind: type[nn.LSTM] | type[nn.GRU], input_width: int, num_gates: int) -> None:
        self.network = kind(input_width, self.width, batch_first=True)
        self.feed = (
            nn.Linear(self.feed_width, num_gates * self.width, bias=False)
            if self.feed_width
            else None
        )
        for weight in self.weights:
            if weight.dim() == 1:
                nn.init.zeros_(weight)
                continue
            for gate in weight.chunk(num_gates):
                nn.init.xavier_uniform_(gate)

    @property
    def weights(self) -> list[nn.Parameter]:
        """W of the input (G,I), W of the state (G,D), and their biases (G,)."""
        return self.network.all_weights[0]

    @abstractmethod
    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Read whole sequences: (B,T,I), (B,W) -> the outputs h of every step, (B,T,D)."""

    @abstractmethod
    def step(self, gates: Tensor, feed: Tensor, state: Tensor) -> Tensor:
        """Take one step: :meth:`gates` of the input (N,G), fed-back input (N,F), state (N,W)."""

    def gates(self, x: Tensor) -> Tensor:
        """Compute what the input alone contributes to every gate: (...,I) -> (...,G)."""
        weight, _, bias, _ = self.weights
        return linear(x, weight, bias)

    def recur(self, h: Tensor) -> Tensor:
        """Compute what the last output contributes to every gate: (N,D) -> (N,G)."""
        _, weight, _, bias = self.weights
        return F.linear(h, weight, bias)

    def output(self, state: Tensor) -> Tensor:
        """Return the output h within a state: (...,W) -> (...,D)."""
        return state[..., : self.width]


class LSTM(Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997); its state is [h; c]."""

    def __init__(self, input_width: int, width: int, feed_width: int = 0) -> None:
        super().__init__(input_width, width, feed_width)
        self.state_width = 2 * width
        self._build(nn.LSTM, input_width, 4)
        with torch.no_grad():  # remember at first (Jozefowicz et al. 2015): forget bias 1
            self.weights[2][width : 2 * width] = 1.0

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        h, c = (part.unsqueeze(0).contiguous() for part in state.chunk(2, dim=-1))  # (1,B,D)
        return self.network(x, (h, c))[0]

    def step(self, gates: Tensor, feed: Tensor, state: Tensor) -> Tensor:
        h, c = state.chunk(2, dim=-1)
        if self.feed is not None:
            gates = gates + self.feed(feed)
        cell = fused_lstm_cell if gates.is_cuda else lstm_cell
        return torch.cat(cell(gates, self.recur(h), c), dim=-1)


class GRU(Recurrent):
    """Gated recurrent unit (Cho et al. 2014), reset gate after the matrix as in cuDNN; state h."""

    def __init__(self, input_width: int, width: int, feed_width: int = 0) -> None:
        super().__init__(input_width, width, feed_width)
        self.state_width = width
        self._build(nn.GRU, input_width, 3)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        state = state.unsqueeze(0).contiguous()  # (1,B,D)
        if x.device.type != "cpu":
            return self.network(x, state)[0]
        with torch.autocast("cpu", enabled=False):  # a bf16 GRU is 50 times slower there
            return self.network(fine(x), fine(state))[0]

    def step(self, gates: Tensor, feed: Tensor, state: Tensor) -> Tensor:
        if self.feed is not None:
            gates = gates + self.feed(feed)
        hidden = self.recur(state)
        cell = fused_gru_cell if gates.is_cuda else gru_cell
        return cell(gates, hidden, state)


def lstm_cell(gates: Tensor, hidden: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the next h and c (N,D).

    From what input and last output contribute to the gates, both (N,4D), and from c (N,D).
    """
    i, f, g, o = fine(gates + hidden).chunk(4, dim=-1)  # (N,D) each
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def fused_lstm_cell(gates: Tensor, hidden: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`lstm_cell`, in one kernel of a GPU each way."""
    with torch.autocast(gates.device.type, enabled=False):
        h, c, _ = torch.ops.aten._thnn_fused_lstm_cell(*map(fine, (gates, hidden, c.contiguous())))
    return h, c


def gru_cell(gates: Tensor, hidden: Tensor, h: Tensor) -> Tensor:
    """Compute the next h (N,D).

    From what input and last output contribute to the gates, both (N,3D), and from h.
    """
    r_x, z_x, n_x = fine(gates).chunk(3, dim=-1)
    r_h, z_h, n_h = fine(hidden).chunk(3, dim=-1)
    n = (n_x + (r_x + r_h).sigmoid() * n_h).tanh()
    z = (z_x + z_h).sigmoid()
    return (1 - z) * n + z * h


def fused_gru_cell(gates: Tensor, hidden: Tensor, h: Tensor) -> Tensor:
    """As :func:`gru_cell`, in one kernel of a GPU each way."""
    with torch.autocast(gates.device.type, enabled=False):
        found = torch.ops.aten._thnn_fused_gru_cell(*map(fine, (gates, hidden, h.contiguous())))
    return found[0]


def fine(x: Tensor) -> Tensor:
    """Return x in float32 or finer: bf16 is enough for a product, not for what is carried on."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
