"""The speed of beam search: random sentences, translated into so many pieces each."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from nmt.bench.clock import now
from nmt.bench.profile import Operator, operators
from nmt.config.schema import Bench
from nmt.data.prepare import Prepared
from nmt.data.tokenizer import EOS
from nmt.decoding.translate import batches, search
from nmt.experiment.build import Parts
from nmt.hardware.runtime import forget_peak_memory, peak_memory
from nmt.models.seq2seq import Seq2Seq
from nmt.run import Translator


@dataclass
class DecodingSpeed:
    """What was measured over some sentences."""

    sentences: int
    seconds: float
    beam: int
    batch_size: int
    pieces: int  # of each translation
    peak_memory: int  # bytes
    operators: list[Operator]  # where the time went, if that was asked for


class Forced(nn.Module):
    """A model whose translations have ``pieces`` pieces, neither more nor fewer.

    The search must not let them have more.
    """

    def __init__(self, model: Seq2Seq, pieces: int) -> None:
        super().__init__()
        self.model = model
        self.reads_padding = model.reads_padding
        self.pieces = pieces

    def encode(self, source: Tensor) -> Any:
        """Read source ids (B,S)."""
        return self.model.encode(source)

    def start(self, memory: Any, room: int = 0) -> Any:
        """Return the state before the first piece."""
        return self.model.start(memory, room)

    def step(self, tokens: Tensor, state: Any, memory: Any) -> tuple[Tensor, Any]:
        """Read one more piece of each hypothesis, (B,K): logits (B,K,V), eos only at the end."""
        logits, state = self.model.step(tokens, state, memory)
        logits[..., EOS].masked_fill_(state.position <= self.pieces, -torch.inf)  # (B,K)
        return logits, state


def measure_decoding(
    parts: Parts, bench: Bench, corpus: Prepared, translator: Translator
) -> DecodingSpeed:
    """Translate ``bench.sentences`` sentences in the batches of `nmt translate`.

    Before the clock is read the first batch is translated, or all where steps are recorded, as
    those of a long text have been.
    """
    sources: list[list[int]] = corpus.train[: bench.sentences]["source_ids"]
    lengths = [len(source) for source in sources]
    decode = parts.decode
    cut = list(batches(lengths, decode.batch_size, decode.batch_tokens))
    decode = replace(decode, max_ratio=0.0, max_extra=bench.pieces, n_best=1)
    forced = Forced(translator.model, bench.pieces)
    device = translator.device
    forget_peak_memory(device)

    def translate(batches: list[list[int]]) -> None:
        for part in batches:
            search(forced, [sources[i] for i in part], decode, device, record)

    with translator.evaluating() as record:
        translate(cut if record else cut[:1])
        start = now(device)
        translate(cut)
        seconds = now(device) - start
        peak = peak_memory(device)
        longest = operators(lambda: translate(cut), device, bench.profile)
    return DecodingSpeed(
        sentences=bench.sentences,
        seconds=seconds,
        beam=decode.beam,
        batch_size=decode.batch_size,
        pieces=bench.pieces,
        peak_memory=peak,
        operators=longest,
    )
