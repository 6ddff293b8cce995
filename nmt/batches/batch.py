"""Sentences of both languages that go through a model together."""

from operator import itemgetter
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.data.tokenizer import PAD, Tokenizer
from nmt.hardware.nested import each


class Batch(NamedTuple):
    """Ids, padded with 0 on the right: source … eos, target bos … eos."""

    source: Tensor  # (B,S)
    target: Tensor  # (B,T+1)
    guide: Tensor | None = None  # (B,T,S) where each target piece looks; see nmt.batches.guide
    counted: int | None = None  # num_pieces, where asking would mean to wait for the device
    whole: bool = False  # whether `predicted` gives every place, padding among them
    read: Tensor | None = None  # (B,T) what the decoder reads; None: bos and the target's pieces

    @property
    def num_pieces(self) -> int:
        """How many target pieces there are to predict: all but bos and padding."""
        if self.counted is not None:
            return self.counted
        return int((self.target[:, 1:] != PAD).sum())

    @property
    def inputs(self) -> Tensor:
        """What the decoder reads (B,T): under teacher forcing the target without its end."""
        return self.target[:, :-1] if self.read is None else self.read

    @property
    def predicted(self) -> Tensor:
        """The places (N,) in the flat target (B·T,) of the pieces that there are to predict."""
        if self.whole:
            return torch.arange(self.target[:, 1:].numel(), device=self.target.device)
        keep = (self.target[:, 1:] != PAD).flatten()
        return keep.nonzero_static(size=self.num_pieces).squeeze(1)

    def blank(self) -> "Batch":
        """A batch of one sentence of which nothing is to be predicted."""
        source, target, guide, *_ = each(self, lambda side: side[:1])
        target = torch.cat([target[:, :1], torch.full_like(target[:, 1:], PAD)], 1)
        return Batch(source, target, None if guide is None else torch.zeros_like(guide))

    def padded(self, sentences: int, pieces: int) -> "Batch":
        """The same batch with a multiple of so many sentences and of so many pieces per side.

        Nothing is to be predicted of what is added, and the batch is ``whole``: its shapes say all
        that there is to know of it.
        """
        source, target, guide, *_ = self
        more = -len(source) % sentences, -(target.size(1) - 1) % pieces, -source.size(1) % pieces
        source, target = F.pad(source, (0, more[2])), F.pad(target, (0, more[1]))
        blank = Batch(source, target).blank()
        source = torch.cat([source, blank.source.expand(more[0], -1)])
        target = torch.cat([target, blank.target.expand(more[0], -1)])
        if guide is not None:
            guide = F.pad(guide, (0, more[2], 0, more[1], 0, more[0]))
        return Batch(source, target, guide, whole=True)

    def halves(self) -> list["Batch"]:
        """The same sentences in two batches; one alone stays one."""
        half = -(-len(self.source) // 2)
        rows = [slice(half), slice(half, None)][: len(self.source)]
        return [each(self._replace(counted=None), itemgetter(some)) for some in rows]

    def pinned(self) -> "Batch":
        """The same batch in memory from which a GPU copies while it computes."""
        return each(self, Tensor.pin_memory)

    def to(self, device: torch.device) -> "Batch":
        """The same batch there; only CUDA keeps the memory of a copy until the copy is made."""
        counted, later = self._replace(counted=self.num_pieces), device.type == "cuda"
        return each(counted, lambda side: side.to(device, non_blocking=later))


def decoded(batches: list[Batch], source: Tokenizer, target: Tokenizer) -> list[tuple[str, str]]:
    """The text of batches: source and target of each pair."""
    return [
        (source.decode(one), target.decode(other))
        for batch in batches
        for one, other in zip(batch.source.tolist(), batch.target.tolist(), strict=True)
    ]
