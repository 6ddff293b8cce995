"""Ids to vectors, and the output layer that may share their matrix."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nmt.attention.dropout import Dropout
from nmt.attention.mask import PAD
from nmt.errors import UserError


class Embedding(nn.Embedding):
    """A vector for each piece; padding has the vector 0.

    vocabulary:   V, number of pieces
    width:        E
    word_dropout: share of the pieces that have the vector 0 in training (Sennrich et al. 2016,
                  Edinburgh's systems for WMT 16, section 2.3); the others grow to keep the sum
    scale:        factor of the vectors
    """

    def __init__(
        self, vocabulary: int, width: int, word_dropout: float = 0.0, scale: float = 1.0
    ) -> None:
        super().__init__(vocabulary, width, padding_idx=PAD)
        self.scale = scale
        self.word_dropout = Dropout(word_dropout)
        nn.init.normal_(self.weight, std=width**-0.5)
        nn.init.zeros_(self.weight[PAD])

    def forward(self, input: Tensor) -> Tensor:
        """(...) -> (...,E)."""
        x = super().forward(input)
        if self.training and self.word_dropout.p:
            x = x * self.word_dropout(torch.ones_like(x[..., :1]))
        return x if self.scale == 1 else x * self.scale


@contextmanager
def token_cutoff(
    model: nn.Module, share: float, first: int, kept: tuple[int, ...]
) -> Iterator[None]:
    """Inside the block the rows from ``first`` on lose that share of their pieces, on both sides.

    A lost piece has the vector 0, to which its position may be added; the others are not rescaled
    (Shen et al. 2020, arXiv 2009.13818). The ids in ``kept`` are never lost.
    """

    def cut(_: nn.Module, given: tuple[Tensor], x: Tensor) -> Tensor:
        (ids,) = given
        lost = torch.rand(ids.shape, device=ids.device) < share
        lost[:first] = False
        for one in kept:
            lost &= ids != one
        return x.masked_fill(lost.unsqueeze(-1), 0.0)

    embeddings = [module for module in model.modules() if isinstance(module, Embedding)]
    hooks = [embedding.register_forward_hook(cut) for embedding in embeddings]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def both_embeddings(
    source_vocabulary: int,
    target_vocabulary: int,
    width: int,
    share: bool,
    word_dropout: float,
    scale: float = 1.0,
) -> tuple[Embedding, Embedding]:
    """The embeddings of source and target; a single one where they are shared."""
    if share and source_vocabulary != target_vocabulary:
        raise UserError(
            "model.share_embeddings=true needs one vocabulary for both sides, but they have "
            f"{source_vocabulary} and {target_vocabulary} pieces: set tokenizer.joint=true, or "
            "model.share_embeddings=false."
        )
    target = Embedding(target_vocabulary, width, word_dropout, scale)
    if share:
        return target, target
    return Embedding(source_vocabulary, width, word_dropout, scale), target


def output_layer(width: int, target_embedding: Embedding, tie: bool) -> nn.Linear:
    """From features (...,R) to a number for each piece (...,V); tied: with the embeddings' matrix.

    Press and Wolf 2017.
    """
    output = nn.Linear(width, target_embedding.num_embeddings)
    nn.init.zeros_(output.bias)
    if tie:
        output.weight = target_embedding.weight
    return output
