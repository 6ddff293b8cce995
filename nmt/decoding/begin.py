"""How a search begins with a batch of sources: read by the model, with limits and rules."""

from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.data.tokenizer import PAD
from nmt.decoding import steering
from nmt.decoding.decode import Decode
from nmt.decoding.search import Step, wants_shapes_again
from nmt.decoding.steering import Steered

# On a GPU sources are padded to a multiple of PIECES, and the longest translation that there may be
# has a multiple of ROOM, so that shapes repeat.
PIECES, ROOM = 16, 32


class TranslationModel(Protocol):
    """What a search needs of a model; see `nmt.models.seq2seq`."""

    training: bool
    reads_padding: bool

    def train(self, mode: bool = True) -> Any: ...
    def encode(self, source: Tensor) -> Any: ...
    def start(self, memory: Any, room: int = 0) -> Any: ...
    def step(self, tokens: Tensor, state: Any, memory: Any) -> tuple[Tensor, Any]: ...


class Begun(NamedTuple):
    """The state with which a search continues, see `beam_search`."""

    step: Step[Any, Any]
    memory: Any
    state: Any
    limit: Tensor  # (B,) pieces that a hypothesis may have before its eos


def begin(
    model: TranslationModel,
    sources: list[list[int]],
    prefixes: list[list[int]],
    decode: Decode,
    device: torch.device | str,
    steered: bool,
) -> Begun:
    """Read sources; `steered`: the step obeys the rules and gives log P, see `Steered`.

    `decode.max_ratio` and `decode.max_extra` do not count a prefix.
    """
    source, prefix = padded(sources), padded(prefixes)  # (B,S), (B,P)
    length = torch.tensor([len(ids) for ids in sources])  # (B,)
    limit = (decode.max_ratio * length).long() + decode.max_extra + (prefix != PAD).sum(1)  # (B,)
    room = 0
    if wants_shapes_again(torch.device(device)):
        room = ROOM * (int(limit.max()) // ROOM + 1)
        if not model.reads_padding:
            source = F.pad(source, (0, -source.size(1) % PIECES), value=PAD)
    memory = model.encode(source.to(device))
    state = model.start(memory, room)
    if not steered:
        return Begun(model.step, memory, state, limit.to(device))
    step = Steered(model, decode.no_repeat_ngram)
    least = limit.clamp(max=decode.min_length)
    memory = steering.SteeredMemory(prefix.to(device), least.to(device), memory)
    return Begun(step, memory, step.start(memory, state), limit.to(device))


def padded(rows: list[list[int]]) -> Tensor:
    """Ids of several lines side by side, padded on the right: (B,S)."""
    tensors = [torch.tensor(ids, dtype=torch.long) for ids in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=PAD)
