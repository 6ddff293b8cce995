"""One measurement, in a process of its own: prints what was done in a second.

    python scripts/benchmark/measure.py PEER TASK SHAPE PRECISION THREADS NUM

Target pieces for `training` over NUM updates, sentences for `decoding` of NUM sentences.
"""

import sys
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from time import perf_counter

import streams
import torch
from peer import PEERS, Peer, Setup
from shape import PIECES, SHAPES, Shape

from nmt.hardware.runtime import computes_bf16, pick_device

WARMUP = 2  # updates
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def precisions() -> list[str]:
    """Name those that this processor computes in."""
    bf16 = computes_bf16(pick_device("cpu"))
    return [name for name in PRECISIONS if bf16 or name != "bf16"]


def training(peer: Peer, setup: Setup[Shape], num: int) -> float:
    """Train on the batches that every toolkit gets: target pieces per second, no padding."""
    update = peer.trainer(setup)
    batches = streams.training(WARMUP + num)
    for batch in batches[:WARMUP]:
        update(batch)
    start = perf_counter()
    for batch in batches[WARMUP:]:
        update(batch)
    seconds = perf_counter() - start
    return sum(batch.num_pieces for batch in batches[WARMUP:]) / seconds


def decoding(peer: Peer, setup: Setup[Shape], num: int) -> float:
    """Translate the sentences that every toolkit gets, each to PIECES: sentences per second."""
    translate = peer.decoder(setup)
    sources = streams.decoding(num)
    translate(sources[0])
    start = perf_counter()
    found = [translation for source in sources for translation in translate(source)]
    seconds = perf_counter() - start
    lengths = {len(translation) for translation in found}
    assert (len(found), lengths) == (num, {PIECES}), f"{peer.name} wrote {lengths} pieces"
    return num / seconds


Task = Callable[[Peer, Setup[Shape], int], float]
TASKS: dict[str, Task] = {"training": training, "decoding": decoding}


def main() -> None:
    """Measure what the words ask for."""
    name, task, shape, precision, threads, num = sys.argv[1:]
    warnings.simplefilter("ignore")  # of the toolkits, about each other's versions
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    (peer,) = (one for one in PEERS if one.name == name)
    with ExitStack() as until:
        setup = Setup(SHAPES[shape], PRECISIONS[precision], until)
        rate = TASKS[task](peer, setup, int(num))
    print(rate)


if __name__ == "__main__":
    main()
