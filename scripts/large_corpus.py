"""Measure what a large corpus takes: seconds and memory, stage by stage.

    python scripts/large_corpus.py FOLDER --pairs 10000000
    python scripts/large_corpus.py FOLDER --kftt KFTT

The first makes up pairs of 8 words, which FOLDER needs 500 bytes each for; the second reads the
real corpus from its folder (see data/README.md). Every stage is a process of its own and finds
what those before it have left in FOLDER, as runs of a training do. Its time is told by the clock,
and as CPU time of all cores, imports included. Two numbers describe its memory: the peak of its
own memory (sampled ten times per second), and the peak with mapped files,
which the system takes back when it needs it. The processes that help it to clean and to encode are
not counted in either.
"""

import argparse
import resource
import threading
import time
from collections.abc import Callable
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from nmt.batches.train_loader import TrainLoader
from nmt.data.clean import Clean
from nmt.data.corpus import Corpus
from nmt.data.files import Files
from nmt.data.kftt import Kftt
from nmt.data.prepare import Prepared, prepare
from nmt.data.tokenizer import TokenizerConfig

SIZES = {"dev": 1000, "test": 1000}
BLOCK = 100_000  # pairs that are made up at once
MIB = 1 << 10  # /proc counts in KiB


def make_up(folder: Path, num_pairs: int) -> None:
    """Write NAME.aa and NAME.bb of each split.

    The r-th of 50,000 words is drawn with a probability of about 1/r. A target says the source
    backwards in other words.
    """
    random = np.random.default_rng(1)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(random.choice(letters, random.integers(2, 11))) for _ in range(50_000)]
    vocabulary = np.array(words, dtype=object)
    for name, size in {**SIZES, "train": num_pairs}.items():
        with (
            (folder / f"{name}.aa").open("w") as source,
            (folder / f"{name}.bb").open("w") as target,
        ):
            for start in range(0, size, BLOCK):
                drawn = random.random((min(BLOCK, size - start), 8))
                ranks = np.exp(drawn * np.log(len(words))).astype(int) - 1
                source.writelines(" ".join(line) + "\n" for line in vocabulary[ranks])
                target.writelines(
                    " ".join(line) + "\n" for line in vocabulary[::-1][ranks[:, ::-1]]
                )


def made_up(folder: Path) -> Corpus:
    """Return the corpus that `make_up` wrote."""
    train, dev, test = (
        [f"{folder / name}.{side}" for side in ("aa", "bb")] for name in ("train", *SIZES)
    )
    return Files("aa", "bb", train, dev, test)


def load(corpus: Corpus, cache: Path) -> None:
    """Read the text and write it as Arrow."""
    corpus.load(cache)


def ready(corpus: Corpus, cache: Path) -> Prepared:
    """Clean, train the tokenizer and encode, or find all that."""
    return prepare(corpus, Clean(), TokenizerConfig(), cache)


def first_batches(corpus: Corpus, cache: Path) -> None:
    """Plan an epoch and take a thousand batches, as a second run begins."""
    loader = TrainLoader(ready(corpus, cache), max_tokens=4096, seed=1)
    print(f"    {len(loader.train):,} pairs in {loader.num_batches(0):,} batches")
    for _ in islice(loader.epoch(0), 1000):
        pass


def measured(stage: Callable[[Corpus, Path], object], corpus: Corpus, cache: Path) -> None:
    """Run a stage and print what it took, imports not counted."""
    own = [0]
    threading.Thread(target=watch, args=(own,), daemon=True).start()
    start = time.monotonic()
    stage(corpus, cache)
    seconds = time.monotonic() - start
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    busy = sum(one.ru_utime + one.ru_stime for one in both)
    print(
        f"{stage.__name__:<15}{seconds:>8.1f} s{busy:>8.1f} s"
        f"{own[0] // MIB:>8,} MiB{status('VmHWM') // MIB:>8,} MiB",
        flush=True,
    )


def watch(own: list[int]) -> None:
    """Keep the most memory of this process alone, in KiB."""
    while True:
        own[0] = max(own[0], status("RssAnon"))
        time.sleep(0.1)


def status(name: str) -> int:
    """Return a number of this process in KiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    """Run all stages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=10_000_000)
    parser.add_argument("--kftt", help="the folder of the real corpus")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.kftt:
        corpus: Corpus = Kftt(dir=given.kftt)
    else:
        make_up(given.folder, given.pairs)
        corpus = made_up(given.folder)
    print(f"{'stage':<15}{'time':>10}{'of cores':>10}{'own':>12}{'with files':>12}")
    for stage in (load, ready, first_batches):
        process = get_context("spawn").Process(
            target=measured, args=(stage, corpus, given.folder / "cache")
        )
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
