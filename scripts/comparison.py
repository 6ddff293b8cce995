"""Compare attentions: train the grids, align, and fill the tables of docs/comparison.md.

    python scripts/comparison.py [quality long_sentences alignment] [--multi30k FOLDER]
        [--runs FOLDER] [--seeds 1,2,3] [--updates 700] [WORD ...]

WORDs go to each `nmt train`, as in `hydra/launcher=joblib hydra.launcher.n_jobs=2`. What is
finished is not trained again. Figures go to docs/images/comparison-<study>-*.png.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from nmt.report.table import Cell, markdown

DOCS = Path(__file__).parent.parent / "docs"
SCORES = "bahdanau,luong_dot,luong_general,luong_concat,luong_location,scaled_dot,cosine"
TRANSFORMER = ["model=transformer_tiny", "optimizer.lr=4e-3"]


class Settings(NamedTuple):
    """What the command line asks for."""

    runs: Path
    multi30k: Path | None
    seeds: str
    updates: int
    words: list[str]


def nmt(*words: str) -> None:
    """Run a command of nmt; what it printed stays on the screen."""
    subprocess.run([sys.executable, "-m", "nmt", *words], check=True)


def sweep(folder: Path, settings: Settings, *words: str) -> None:
    """Train a grid over the seeds in a folder."""
    seeds = f"seed={settings.seeds}"  # first, so that all variants have one before any has two
    nmt("train", "-m", seeds, *words, f"hydra.sweep.dir={folder}", *settings.words)


def compared(folder: Path, baseline: str, *figures: str) -> str:
    """Compare what a folder holds; return the tables in Markdown, and keep the figures."""
    nmt("compare", str(folder), f"baseline={baseline}")
    report = folder / "comparison"
    for figure in figures:
        shutil.copy(report / "figures" / figure, DOCS / "images" / f"{folder.name}-{figure}")
    text = (report / "comparison.md").read_text(encoding="utf-8")
    tables, _, _ = text.partition("## Settings that differ")
    return tables.removeprefix("# Comparison").replace("## ", "### ").strip()


def quality(settings: Settings) -> str:
    """BLEU on Multi30k de→en, the same number of updates for all."""
    if settings.multi30k is None:
        raise SystemExit("quality needs --multi30k FOLDER, which has train.de.gz and so on")
    folder = settings.runs / "quality"
    task = [
        "experiment=multi30k",
        f"data.dir={settings.multi30k.resolve()}",
        *("data.source=de", "data.target=en", "train.max_minutes=null"),
        f"train.max_steps={settings.updates}",
        f"train.evaluate_every={-(-settings.updates // 2)}",
    ]
    sweep(folder / "rnn", settings, *task, f"attention=none,{SCORES}")
    sweep(folder / "transformer", settings, *task, *TRANSFORMER, "attention=scaled_dot")
    sweep(folder / "feeding", settings, *task, f"attention={SCORES}", "order.input_feed=true")
    return compared(folder, "none", "quality_by_speed.png", "dev_bleu_by_step.png")


def long_sentences(settings: Settings) -> str:
    """BLEU by source length, King James into modern English."""
    folder = settings.runs / "long_sentences"
    attentions = "attention=none,bahdanau,luong_general,scaled_dot"
    sweep(folder / "rnn", settings, "experiment=long_sentences", attentions)
    transformer = ["experiment=statement", "data.test_chapters=40", "attention=scaled_dot"]
    sweep(folder / "transformer", settings, *transformer)
    return compared(folder, "none", "bleu_by_length.png")


def alignment(settings: Settings) -> str:
    """Alignment error on the Greek New Testament, with and without links to learn from."""
    folder = settings.runs / "alignment"
    task = ["data=greek_nt", f"train.max_steps={settings.updates}"]
    task.append(f"train.evaluate_every={-(-settings.updates // 2)}")
    guided = ["guide=gold", "guide.shift=true", "guide.weight=1"]
    for name, guide in (("guided", guided), ("free", ["guide=none"])):
        sweep(folder / name / "rnn", settings, *task, *guide, f"attention={SCORES}")
        words = [*task, *guide, *TRANSFORMER, "attention=scaled_dot"]
        sweep(folder / name / "transformer", settings, *words)
    found = sorted(place.parent for place in folder.glob("*/*/*/result.json"))
    rows = [links(run, statistical=run == found[0]) for run in found]
    statistical = [[one["aligner"], "", *rates(one)] for one in aligned(found[0])["table"][1:]]
    header = ("aligner", "attention that is read", "AER %", "precision %", "recall %")
    return markdown(header, [*statistical, *rows])


def links(run: Path, statistical: bool) -> list[Cell]:
    """Read a run's links from what is best on dev; return how good they are."""
    if not result_of_alignment(run).is_file():
        best = ("layer=best", "head=best", "shift=best", "heatmaps=2")
        nmt("align", f"run='{run}'", *best, f"statistical={str(statistical).lower()}")
    found = aligned(run)
    what = run.name if "attention" in run.name else f"{run.parent.name} {run.name}"
    name = f"{run.parents[1].name}: {what.removeprefix('attention=')}"
    reading = found["reading"]
    layer, head = (reading[key] or "mean" for key in ("layer", "head"))
    read = f"layer {layer}, head {head}" + ", shifted" * reading["shift"]
    return [name, read, *rates(found)]


def rates(found: dict[str, Any]) -> list[Cell]:
    """Return AER, precision and recall in percent."""
    return [100 * found[key] for key in ("aer", "precision", "recall")]


def aligned(run: Path) -> dict[str, Any]:
    """Read what nmt align found."""
    return json.loads(result_of_alignment(run).read_text(encoding="utf-8"))


def result_of_alignment(run: Path) -> Path:
    """Return the file in which nmt align writes it."""
    return run / "alignment" / "greeknt-test" / "result.json"


STUDIES: dict[str, Callable[[Settings], str]] = {
    one.__name__: one for one in (quality, long_sentences, alignment)
}


def fill(page: Path, name: str, text: str) -> None:
    """Put a study's tables between its marks, `<!-- name -->` and `<!-- end of name -->`."""
    before, start, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->\n")
    if not end:
        raise SystemExit(f"{page} has no place for {name}")
    page.write_text(f"{before}{start}\n{text}\n\n{end}{after}", encoding="utf-8")


def main() -> None:
    """Do the studies that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("words", nargs="*", help=f"{', '.join(STUDIES)}; others: for nmt train")
    parser.add_argument("--multi30k", type=Path, help="folder with train.de.gz and so on")
    parser.add_argument("--runs", type=Path, default=Path("runs/comparison"))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--updates", type=int, default=700)
    given = parser.parse_args()
    words = [word for word in given.words if word not in STUDIES]
    settings = Settings(given.runs, given.multi30k, given.seeds, given.updates, words)
    for name in [word for word in given.words if word in STUDIES] or STUDIES:
        fill(DOCS / "comparison.md", name, STUDIES[name](settings))


if __name__ == "__main__":
    main()
