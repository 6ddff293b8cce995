"""What one GPU does: `nmt bench` for models of published sizes, as one Markdown table.

    python scripts/benchmark/gpu.py [--output FILE] [--multi30k FOLDER] [--small]

Reads no corpus and asks for nothing from the network; under ten minutes on one large GPU.
`--multi30k FOLDER` also trains a Transformer on the files in FOLDER, for a minute and a half.
`--small` does everything in miniature, on a CPU, to see that it works.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from figures import bench, nmt

from nmt.terminal.table import markdown

HEADER = (
    *("", "parameters", "target pieces/s", "padding", "TFLOP/s", "of large products"),
    *("GB, training", "sentences/s", "GB, decoding"),
)
CORPUS = (
    *("bench.vocabulary=32000", "bench.length=30", "bench.pieces=30", "decode.batch_size=128"),
    *("bench.updates=10", "bench.warmup=3", "bench.sentences=1024"),
)
LITTLE = (
    *("train.max_tokens=64", "bench.vocabulary=50", "bench.length=8", "bench.pieces=2"),
    *("bench.warmup=0", "device=cpu", "precision=fp32", "train.compile=false"),
)


@dataclass(frozen=True)
class Case:
    """A row: the words of `nmt bench`, and those that make it small."""

    name: str
    words: tuple[str, ...]
    small: tuple[str, ...]

    def all_words(self, small: bool) -> tuple[str, ...]:
        """Return the words of the case, or of the case in miniature."""
        return (*self.words, *LITTLE, *self.small) if small else self.words


RNN_SMALL = (
    *("model.embedding_width=8", "model.encoder_width=4", "model.decoder_width=8"),
    *("bench.updates=1", "bench.sentences=3"),
)
TRANSFORMER_SMALL = ("model.width=16", "model.feed_forward_width=16", "model.heads=2")
CASES = (
    Case(  # widths and batch of NVIDIA's GNMT v2; no residuals, all encoder layers both ways
        "RNN, 4 + 4 LSTM layers of 1,024, additive attention",
        (
            *("model=rnn", "attention=bahdanau", "model.embedding_width=1024"),
            *("model.encoder_layers=4", "model.encoder_width=512", "model.tie_output=false"),
            *("model.decoder_layers=4", "model.decoder_width=1024", "model.dropout=0.2"),
            *(*CORPUS, "train.max_tokens=4096", "train.compile=true"),  # of 128 sentences
        ),
        RNN_SMALL,
    ),
    Case(
        "RNN, additive attention, input feeding: a loop over positions",
        (
            *("model=rnn", "attention=bahdanau", "order.input_feed=true", "model.tie_output=false"),
            *(*CORPUS, "train.max_tokens=4096"),
        ),
        RNN_SMALL,
    ),
    Case(
        "transformer_base",
        ("model=transformer_base", *CORPUS, "train.max_tokens=4096"),
        (*TRANSFORMER_SMALL, "bench.updates=1", "bench.sentences=3"),
    ),
    Case(  # in updates of the paper's size
        "transformer_big",
        (
            *("model=transformer_big", *CORPUS, "train.max_tokens=25000", "bench.sentences=0"),
            *("train.compile=true", "train.cuda_graphs=false"),
        ),
        (*TRANSFORMER_SMALL, "bench.updates=1"),
    ),
)
SHORT = (
    *("experiment=multi30k_transformer", "train.max_steps=null", "train.max_minutes=1.5"),
    *("train.evaluate_every=2500", "train.heatmaps=0"),
)


def main() -> None:
    """Measure all cases and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, help="a file for the table; else standard output")
    parser.add_argument("--multi30k", type=Path, metavar="FOLDER", help="with train.de, train.en …")
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    found = [(case.name, bench(case.all_words(given.small))) for case in CASES]
    lines = [machine(found[0][1]), "", markdown(HEADER, [row(*one) for one in found])]
    if given.multi30k:
        lines += ["", multi30k(given.multi30k)]
    text = "\n".join(lines) + "\n"
    if given.output:
        given.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


def machine(figures: dict[str, Any]) -> str:
    """Say where it was measured."""
    found = figures["machine"]
    rate = found["gemm_rate"] / 1e12
    return (
        f"{found['device']}, {found['precision']}, torch {figures['torch']}; products of large "
        f"matrices reach {rate:.1f} TFLOP/s. Beam 5, 128 sentences per batch, translations of a "
        "forced length."
    )


def row(name: str, figures: dict[str, Any]) -> tuple[str, ...]:
    """A case as a row of HEADER; what was not measured is empty."""
    cells = [name, f"{figures['parameters'] / 1e6:.1f} M"]
    training, decoding = figures["training"], figures["decoding"]
    cells += (
        ["", "", "", "", ""]
        if training is None
        else [
            f"{training['tokens_per_s']:,.0f}",
            f"{training['padding_share']:.1%}",
            f"{training['operations_per_s'] / 1e12:.2f}",
            f"{training['share_of_gemm_rate']:.1%}",
            gigabytes(training),
        ]
    )
    cells += (
        ["", ""]
        if decoding is None
        else [
            f"{decoding['sentences_per_s']:,.0f}",
            gigabytes(decoding),
        ]
    )
    return tuple(cells)


def gigabytes(figures: dict[str, Any]) -> str:
    """The most memory in use."""
    return f"{figures['peak_memory'] / 1e9:.1f}"


def multi30k(folder: Path) -> str:
    """Train on Multi30k and say what came of it; the aim is 40 in two minutes, all in all."""
    with TemporaryDirectory() as place:
        run = Path(place) / "run"
        nmt(["train", *SHORT, f"data.dir={folder}", f"hydra.run.dir={run}"])
        result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    return (
        f"Multi30k, `nmt train {' '.join(SHORT)}`: {result['steps']:,} updates, "
        f"{result['bleu_tok_lc']:.2f} bleu_tok_lc on {result['split']} (the aim: 40)."
    )


if __name__ == "__main__":
    main()
