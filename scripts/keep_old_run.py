"""Keep a run folder of today's format in tests/old_runs, so that later versions are tried on it.

    python scripts/keep_old_run.py

Record it once FORMAT in nmt/runs/lifting.py has its new number and everything that the format
changes is done. The run is a small Transformer with parts that older formats do not have, after 4
updates. Its corpus is written by the tests, so its configuration names no folder of a machine.
"""

import shutil
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from command import nmt
from number_language import corpus_words, write_numbers

from nmt.runs.lifting import FORMAT

OLD = Path(__file__).parent.parent / "tests" / "old_runs"
WORDS = (
    *("model=transformer_tiny", "model.width=8", "model.heads=2", "model.feed_forward_width=8"),
    *("model.encoder_layers=1", "model.decoder_layers=1", "model.copy=true"),
    *("positions=alibi", "mix=differential", "sink=key", "cross.normalize=sparsemax"),
    *("schedule=linear", "schedule.warmup=1", "optimizer.lr=0.03", "train.max_tokens=128"),
    *("train.max_steps=4", "train.evaluate_every=4", "train.log_every=1", "train.heatmaps=0"),
    *("decode.beam=2", "decode.max_ratio=1"),
    *("seed=1", "threads=1", "device=cpu", "precision=fp32", "hydra.run.dir=run"),
)
LEFT_OUT = ("events.out.*", "explorer.html", "lock")  # pictures, and what only a training reads


def main() -> None:
    """Train the run and put it beside the older ones."""
    kept = OLD / f"format-{FORMAT}"
    if kept.exists():
        sys.exit(f"{kept} exists: a run folder is kept once, as it was written")
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        numbers = Path("numbers")
        numbers.mkdir()
        write_numbers(numbers)
        answer = nmt("train", *corpus_words(numbers), *WORDS)
        if answer.code != 0:
            sys.exit(answer.err)
        shutil.copytree("run", kept, ignore=shutil.ignore_patterns(*LEFT_OUT))
    print(kept)


if __name__ == "__main__":
    main()
