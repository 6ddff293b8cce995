"""Floating-point operations of matrix products, counted while they are done.

torch counts products of matrices and the attention kernels of a GPU. What it does not see and this
project uses is counted here: whole-sequence LSTMs and GRUs of oneDNN and cuDNN, the attention
kernel of a CPU, and products of a matrix and a vector.

Two operations for each multiplication and addition of a product, whatever its precision. Padding
is computed, so it is counted; attention is counted as if nothing were masked; a kernel's own
repetition of the forward products in its backward pass is counted. Sums, exponentials and all
else that is done number by number is not.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

Shape = Sequence[int]


def count(work: Callable[[], object]) -> int:
    """Do the work and return the operations of its products."""
    with FlopCounterMode(display=False, custom_mapping=UNSEEN) as counter:
        work()
    return counter.get_total_flops()


def matrix_vector(matrix: Shape, *_: Any, **__: Any) -> int:
    """(M,N) times (N,)."""
    return 2 * prod(matrix)


def onednn_lstm(x: Shape, input_matrix: Shape, state_matrix: Shape, *_: Any, **__: Any) -> int:
    """One layer over (T,B,I): every step multiplies the input (G,I) and the state (G,D)."""
    return 2 * prod(x[:2]) * (prod(input_matrix) + prod(state_matrix))


def onednn_lstm_backward(x: Shape, *weights: Any, **_: Any) -> int:
    """Each product has two gradients, each of them a product as large."""
    return 2 * onednn_lstm(x, *weights)


def cudnn_rnn(x: Shape, weights: Sequence[Shape], stride: int, *_: Any, **__: Any) -> int:
    """All layers of a kernel over (T,B,I) or (B,T,I): ``stride`` weights each, first the matrices.

    Where the rest, biases, is a view of cuDNN's buffer it has two dimensions as well.
    """
    matrices = [weight for place, weight in enumerate(weights) if place % stride < 2]
    return 2 * prod(x[:2]) * sum(map(prod, matrices))


def cudnn_rnn_backward(x: Shape, *weights: Any, **_: Any) -> int:
    """As for oneDNN."""
    return 2 * cudnn_rnn(x, *weights)


def attention(query: Shape, keys: Shape, values: Shape, *_: Any, **__: Any) -> int:
    """The fused kernel of a CPU, (B,H,T,K), (B,H,S,K), (B,H,S,K)."""
    return sdpa_flop_count(query, keys, values)


def attention_backward(
    grad: Shape, query: Shape, keys: Shape, values: Shape, *_: Any, **__: Any
) -> int:
    """It computes the scores once more, then four gradients."""
    return sdpa_backward_flop_count(grad, query, keys, values)


aten = torch.ops.aten
UNSEEN: dict[Any, Callable[..., int]] = {
    aten.mv: matrix_vector,
    aten.mkldnn_rnn_layer: onednn_lstm,
    aten.mkldnn_rnn_layer_backward: onednn_lstm_backward,
    aten._cudnn_rnn: cudnn_rnn,
    aten._cudnn_rnn_backward: cudnn_rnn_backward,
    aten._scaled_dot_product_flash_attention_for_cpu: attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_backward,
}
