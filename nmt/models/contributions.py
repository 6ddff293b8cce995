"""What each piece contributed, beside how much weight it got: norms, and gradients.

A large weight on a small value contributes little, so weights alone may mislead.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nmt.attention.attention import Attention, Keep, record_attention
from nmt.attention.heads import MultiHead
from nmt.models.attention_maps import AttentionMap, attention_maps, inside, maps_of
from nmt.models.copying import mixed
from nmt.models.embedding import Embedding
from nmt.models.seq2seq import Kind, Seq2Seq

Maps = Callable[[Seq2Seq, Tensor, Tensor], list[AttentionMap]]


class Measure(NamedTuple):
    """A way to say how much each key matters; ids (B,S) and bos … eos (B,T+1) in, maps out."""

    maps: Maps
    is_share: bool  # whether rows are shares already; other rows are divided by their sum


def norm_maps(model: Seq2Seq, source: Tensor, target: Tensor) -> list[AttentionMap]:
    """Return the length of the vector that each key adds to the output of a head: ‖α·(v W_O)‖.

    α is the weight, v the value of the key in that head, W_O what the head's output is multiplied
    with (Kobayashi et al. 2020, Attention is not only a weight). Attention of a single head without
    projections has no W_O: ‖α·v‖. If a gate or a mix rescales the output, it is the length before
    that. The rest is as in :func:`attention_maps`.
    """
    keep: dict[Attention, Keep] = {one: partial(lengths, None) for one in inside(model)}
    for part in model.modules():
        if isinstance(part, MultiHead):
            by_head = part.W_O.weight.unflatten(1, (part.heads, -1))  # (D,H,K)
            keep[part.attention] = partial(lengths, by_head.permute(1, 2, 0))
    with record_attention(model, keep=keep) as recorded:
        model.features(source, target[:, :-1])
    return maps_of(model, recorded, source, target, lambda _, lengths: lengths)


def lengths(W_O: Tensor | None, weights: Tensor, values: Tensor) -> Tensor:
    """Return the length of what each key adds, (...,[H,]T,S) as the weights are.

    values (...,[G,]S,K), which heads may share, W_O (H,K,D)
    """
    if W_O is not None:
        of_heads = values.repeat_interleave(len(W_O) // values.size(-3), -3)  # (...,H,S,K)
        values = of_heads @ W_O.to(values.dtype)  # (...,H,S,D)
    return weights.abs() * values.float().norm(dim=-1).unsqueeze(-2)


def gradient_maps(model: Seq2Seq, source: Tensor, target: Tensor) -> list[AttentionMap]:
    """Return gradient times input, |x_s · ∂ ln P(y_t) / ∂x_s|: one map, source-target (B,1,1,T,S).

    Ding et al. 2019 (Saliency-driven word alignment interpretation for neural machine translation)
    find word alignments with gradients at embeddings. The rest is as in :func:`source_gradients`.
    """
    rows = source_gradients(model, source, target, lambda x, of_x: (x * of_x).sum(-1).abs())
    return [AttentionMap(Kind.SOURCE_TARGET, [""], rows[:, None, None])]


def source_gradients(
    model: Seq2Seq, source: Tensor, target: Tensor, size: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Return a size of the gradient ∂ ln P(y_t) / ∂x_s for each target and source piece, (B,T,S).

    x_s is the embedding of a source piece, P(y_t) the probability of target piece t after those
    before it; source ids (B,S), target ids bos … eos (B,T+1). ``size`` takes embeddings (B,S,E) and
    gradient (B,S,E) of one target position and returns (B,S). It takes a backward pass for each
    target position.
    """
    embedded: list[Tensor] = []

    def embed(_module: nn.Module, _ids: object, x: Tensor) -> Tensor:
        embedded.append(x.detach().requires_grad_())
        return embedded[-1]

    parts = [part for part in model.modules() if isinstance(part, Embedding)]
    hooks = [part.register_forward_hook(embed) for part in parts]
    no_cudnn = torch.backends.cudnn.flags(enabled=False)  # its RNNs have no backward in evaluation
    try:
        with torch.inference_mode(False), torch.enable_grad(), no_cudnn:
            source, target = source.clone(), target.clone()  # may come from inference mode
            features, copied = model.features_and_copies(source, target[:, :-1])  # (B,T,·) both
            x = embedded[0]  # (B,S,E), of the source, which is read first
            rows: list[Tensor] = []
            for step, labels in enumerate(target[:, 1:].T):
                at = slice(step, step + 1)
                logits = model.output(features[:, at]).float()  # (B,1,V)
                logits = logits if copied is None else mixed(logits, copied[:, at], source)
                chosen = logits.log_softmax(-1).gather(2, labels[:, None, None]).sum()
                (gradient,) = torch.autograd.grad(chosen, x, retain_graph=True)
                rows.append(size(x, gradient).detach())  # (B,S)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(rows, 1)


def as_shares(rows: Tensor) -> Tensor:
    """Divide each row (...,S) by its sum; one of zeros stays as it is."""
    return rows / rows.sum(-1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)


MEASURES = {
    "weights": Measure(attention_maps, True),
    "norms": Measure(norm_maps, False),
    "gradients": Measure(gradient_maps, False),
}
