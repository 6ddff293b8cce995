"""Who multiplies float32 matrices fastest on this processor: GFLOP/s of MKL and of oneDNN.

    python scripts/benchmark/products.py [--threads 1] [--rounds 5]

The products are those of x Wᵀ in the models of the other benchmarks: forward as torch computes
them, forward with weights that are laid out once (a translation can do that, training cannot), the
gradient of x and that of W. All take turns; the best of the rounds is shown, as other programs can
only make a round slower. `nmt/hardware/products.py` has what follows from it, per processor.
"""

import argparse
from collections.abc import Callable
from timeit import timeit

import torch
from torch import Tensor
from torch.nn import functional as F

from nmt.terminal.table import markdown

# rows, width read, width given: a sentence, an RNN's step, a beam, the rows of an update
SHAPES = [
    *((5, 256, 1024), (5, 256, 6000), (64, 512, 512), (64, 512, 2048), (320, 256, 1024)),
    *((320, 512, 2048), (320, 256, 6000), (1024, 512, 2048), (1024, 256, 6000)),
    *((4096, 128, 128), (4096, 256, 1024), (4096, 128, 6000)),
]
SECONDS = 0.02  # that one measurement takes
LIBRARIES = {"MKL": "none", "oneDNN": "bf16"}  # torch's name of the permission to ask it
COLUMNS = ("x Wᵀ", "gradient of x", "gradient of W", "x Wᵀ laid out once")
HEADER = ("rows × read × given", *(f"{column}, {by}" for column in COLUMNS for by in LIBRARIES))


def main() -> None:
    """Measure every product in turn and print a table."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--threads", type=int, default=1)
    found.add_argument("--rounds", type=int, default=5)
    given = found.parse_args()
    torch.set_num_threads(given.threads)
    rows = []
    with torch.inference_mode():
        for shape in SHAPES:
            made = products(*shape)
            rounds = [[rate(product, shape) for product in made] for _ in range(given.rounds)]
            rates = map(max, zip(*rounds, strict=True))
            rows.append(
                (" × ".join(f"{size:,}" for size in shape), *(f"{one:.0f}" for one in rates))
            )
            print(*rows[-1], sep="\t", flush=True)
    print(markdown(HEADER, rows))


def products(rows: int, read: int, given: int) -> list[Callable[[], Tensor]]:
    """Return the products of one shape, in the order of the header."""
    x, grad = torch.randn(rows, read), torch.randn(rows, given)
    weight, bias = torch.randn(given, read), torch.randn(given)
    mkl, onednn = torch.ops.mkl, torch.ops.mkldnn
    by_mkl = mkl._mkl_reorder_linear_weight(weight, rows)
    by_onednn = onednn._reorder_linear_weight(weight, rows)
    plain = (lambda: F.linear(x, weight, bias), lambda: grad @ weight, lambda: grad.mT @ x)
    return [
        *(asked(product, name) for product in plain for name in LIBRARIES.values()),
        lambda: mkl._mkl_linear(x, by_mkl, weight, bias, rows),
        lambda: onednn._linear_pointwise(x, by_onednn, bias, "none", [], ""),
    ]


def asked(product: Callable[[], Tensor], permission: str) -> Callable[[], Tensor]:
    """Have this product computed by the library that torch asks under this permission."""
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]

    def found() -> Tensor:
        matmul.fp32_precision = permission
        return product()

    return found


def rate(product: Callable[[], Tensor], shape: tuple[int, int, int]) -> float:
    """Return GFLOP/s."""
    timeit(product, number=2)
    number = max(1, round(SECONDS / (timeit(product, number=2) / 2)))
    rows, read, given = shape
    return 2 * rows * read * given * number / timeit(product, number=number) / 1e9


if __name__ == "__main__":
    main()
