"""Models that translate together: BLEU and speed of each alone, of three and of all of them.

    python scripts/ensembles.py RUN RUN … [--tests test_2016_flickr test_2017_flickr]

The runs differ in their seeds. The table is printed as markdown: one row for the mean of the models
alone, with its standard deviation, and one for each ensemble. Tests are values of data.test= of the
corpus of the runs. Speed is that of the first test, one model after the other.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter

import hydra.utils
import torch
from omegaconf import DictConfig, OmegaConf

import nmt
from nmt.data.cache import cache_folder
from nmt.data.corpus import Lines
from nmt.metrics.bleu import bleu_and_chrf_of
from nmt.models.ensemble import MEANS
from nmt.runs.folder import read_config
from nmt.terminal.console import tell
from nmt.terminal.table import markdown

WARM = 64  # sentences that are translated before the time is taken


def main() -> None:
    """Measure and print."""
    given = arguments()
    torch.set_num_threads(given.threads)
    data = read_config(given.runs[0]).data
    tests = [lines_of(data, test, given.sentences) for test in given.tests or [data.test]]
    bleu = bleu_and_chrf_of(data.target)["bleu"]

    def measured(runs: Sequence[Path], kind: str | None = None) -> list[float]:
        """BLEU of each test, and sentences per second."""
        model = nmt.load(runs, device="cpu", precision="fp32", mean=kind)
        model.translate(tests[0].source[:WARM], beam=given.beam)
        found: list[float] = []
        seconds: list[float] = []
        for lines in tests:
            begun = perf_counter()
            translations = model.translate(lines.source, beam=given.beam)
            seconds.append(perf_counter() - begun)
            found.append(bleu.corpus_score(translations, [lines.target]).score)
        tell(f"{model.name}: {found}", "ensembles.py")
        return [*found, len(tests[0].source) / seconds[0]]

    alone = list(zip(*(measured([run]) for run in given.runs), strict=True))
    rows = [["one model", *(f"{mean(some):.2f} ± {stdev(some):.2f}" for some in alone)]]
    for number in sorted({min(3, len(given.runs)), len(given.runs)}):
        for kind in MEANS:
            found = measured(given.runs[:number], kind)
            rows.append([f"{number}, {kind} mean", *(f"{value:.2f}" for value in found)])
    names = [f"BLEU, {test}" for test in given.tests or [data.test]]
    print(markdown(("models", *names, "sentences/s"), rows))
    print(f"\n{bleu.get_signature()}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", help="two or more run folders")
    parser.add_argument("--tests", nargs="+", help="values of data.test=; default: the run's own")
    parser.add_argument("--sentences", type=int, help="of each test, the first; default: all")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def lines_of(data: DictConfig, test: str, most: int | None) -> Lines:
    """Read the beginning of a test of the runs' corpus."""
    corpus = hydra.utils.instantiate(OmegaConf.merge(data, {"test": test}))
    lines = corpus.lines(cache_folder(None), "test")
    return Lines(lines.source[:most], lines.target[:most])


if __name__ == "__main__":
    main()
