"""Torch's fused attention or two products and a softmax: milliseconds of both on this processor.

    python scripts/benchmark/fused.py [--threads 1] [--rounds 7]

Forward and backward passes in float32, with padding and dropout, over 4,096 queries in all, for
several numbers of keys; then forward passes of one query each, as a beam search has them. All take
turns; the best of the rounds is shown, as other programs can only make a round slower. In
`nmt/hardware/products.py` ``fused`` is the number of keys from which the kernel is as fast.
"""

import argparse
from time import perf_counter

import torch

from nmt.attention.attention import Attention
from nmt.attention.normalize import Softmax
from nmt.attention.scaled_dot import ScaledDot
from nmt.attention.window import Full
from nmt.hardware.products import fused_from
from nmt.terminal.table import markdown

HEADS = [(4, 32), (8, 64)]  # how many, and their width
KEYS = (8, 15, 30, 60, 120, 256, 512, 1024)
POSITIONS = 4096  # of all sentences together
BEAM = 320  # hypotheses
NEVER = 2**62
ROADS = {"fused": 0, "products": NEVER}  # keys from which the kernel is used


def main() -> None:
    """Measure all lengths and print a table."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--threads", type=int, default=1)
    found.add_argument("--rounds", type=int, default=7)
    given = found.parse_args()
    torch.set_num_threads(given.threads)
    rows = []
    for keys in KEYS:
        cells = []
        for heads, width in HEADS:
            sentences = max(1, POSITIONS // keys)
            cells += cell(best(given.rounds, (sentences, heads, keys, width), keys))
            cells += cell(best(given.rounds, (BEAM, heads, 1, width), keys))
        rows.append((str(keys), *cells))
        print(*rows[-1], sep="\t", flush=True)
    header = [
        f"{heads} heads of {width}, {what}"
        for heads, width in HEADS
        for what in ("training: kernel, products", "ratio", "one query: both", "ratio")
    ]
    print(markdown(("keys", *header), rows))


def best(rounds: int, shape: tuple[int, ...], num_keys: int) -> dict[str, float]:
    """Milliseconds by each road, for queries (B,H,T,D); more than one query also backward."""
    *batch, num_queries, width = shape
    attend = Attention(width, width, width, ScaledDot, Softmax, Full, dropout=0.1)
    trains = num_queries > 1
    attend.train(trains)
    query = torch.randn(shape, requires_grad=trains)
    keys, values = (torch.randn(*batch, num_keys, width, requires_grad=trains) for _ in range(2))
    mask = (torch.arange(num_keys) < num_keys - num_keys // 10)[None, None, None]  # (1,1,1,S)
    position, grad = torch.arange(num_queries), torch.randn(shape)
    found = dict.fromkeys(ROADS, float("inf"))
    for number in range(rounds + 1):
        for road, least in ROADS.items():
            with fused_from(least), torch.set_grad_enabled(trains):
                start = perf_counter()
                context = attend(query, keys, values, mask, position)
                if trains:
                    context.backward(grad)
                if number:  # the first warms up
                    found[road] = min(found[road], 1e3 * (perf_counter() - start))
    return found


def cell(found: dict[str, float]) -> tuple[str, str]:
    """Both times, and how much longer the kernel takes."""
    fused, products = found["fused"], found["products"]
    return f"{fused:.2f}, {products:.2f}", f"{fused / products:.2f}"


if __name__ == "__main__":
    main()
