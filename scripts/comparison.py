"""Compare attentions: train the grids, align, and fill the tables of docs/comparison.md.

    python scripts/comparison.py [quality long_sentences alignment kftt] [--multi30k FOLDER]
        [--kftt FOLDER --gold FOLDER] [--runs FOLDER] [--seeds 1,2,3] [--updates 700] [WORD ...]

WORDs go to each `nmt train`, as in `hydra/launcher=joblib hydra.launcher.n_jobs=2`. What is
finished is not trained again. Figures go to docs/images/<study>-*.png.
"""

import argparse
import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from nmt.terminal.table import Cell, markdown

DOCS = Path(__file__).parent.parent / "docs"
SCORES = "bahdanau,luong_dot,luong_general,luong_concat,luong_location,scaled_dot,cosine"
KFTT_PAIRS = 100_000  # of the 440,286 in train
KFTT_GOLD_DEV = 653  # the first lines of tune; the others are the gold standard's test part
TRANSFORMER = ["model=transformer_tiny", "optimizer.lr=4e-3"]


class Settings(NamedTuple):
    """What the command line asks for."""

    runs: Path
    multi30k: Path | None
    kftt: Path | None
    gold: Path | None
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


def compared(folders: list[Path], report: Path, *figures: str) -> str:
    """Compare what folders hold; return the tables in Markdown, and keep the figures."""
    nmt("compare", *map(str, folders), "baseline=attention=none", f"output={report}")
    for figure in figures:
        image = DOCS / "images" / f"{report.parent.name}-{figure}"
        shutil.copy(report / "figures" / figure, image)
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
    folders = [folder / name for name in ("rnn", "transformer")]
    compared(folders, folder / "without-feeding", "bleu_by_length.png")  # not a line for each
    return compared([*folders, folder / "feeding"], folder / "comparison")


def long_sentences(settings: Settings) -> str:
    """BLEU by source length, King James into modern English."""
    folder = settings.runs / "long_sentences"
    attentions = "attention=none,bahdanau,luong_general,scaled_dot"
    sweep(folder / "rnn", settings, "experiment=long_sentences", attentions)
    transformer = ["experiment=statement", "data.test_chapters=40", "attention=scaled_dot"]
    sweep(folder / "transformer", settings, *transformer)
    return compared([folder], folder / "comparison", "bleu_by_length.png")


class Aligned(NamedTuple):
    """A text with gold links that `nmt align` knows how to find."""

    name: str  # of its folder in RUN/alignment
    words: list[str]  # for nmt align


def alignment(settings: Settings) -> str:
    """Alignment error on the Greek New Testament, with and without links to learn from."""
    folder = settings.runs / "alignment"
    task = ["experiment=bible", "data=greek_nt"]
    task += [f"train.evaluate_every={-(-settings.updates // 2)}"]
    free_and_guided(folder, settings, task, "gold")
    return error_table(folder, Aligned("greeknt-test", []))


def kftt(settings: Settings) -> str:
    """Alignment error on KFTT's gold standard, with and without eflomal's links to learn from."""
    if settings.kftt is None or settings.gold is None:
        raise SystemExit(
            "kftt needs --kftt FOLDER, which has train.ja.gz and so on, and --gold FOLDER, which "
            "has its words and links: test.ja.gz, test.en.gz, test.align.gz, and the same for dev"
        )
    folder = settings.runs / "kftt"
    text = first_pairs(settings.kftt, folder / "text")
    task = ["experiment=bible", "data=kftt", f"data.dir={text.resolve()}", "tokenizer.joint=false"]
    task += ["model.share_embeddings=false", "tokenizer.size=6000"]
    # Nothing of it is translated well: once is enough, and half of a translation.
    task += [f"train.evaluate_every={settings.updates}", "decode=greedy", "decode.max_ratio=0.5"]
    narrow = ["model.embedding_width=128", "model.encoder_width=128", "model.decoder_width=256"]
    free_and_guided(folder, settings, task, "statistical", narrow)
    return error_table(folder, Aligned("gold-test", kftt_gold(settings.gold, text)))


def first_pairs(kftt: Path, folder: Path) -> Path:
    """Write the first pairs of KFTT's train, its dev and test, and the two parts of its tune."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in ("ja", "en"):
        with gzip.open(kftt / f"train.{language}.gz") as file:
            lines = b"".join(islice(file, KFTT_PAIRS))
        (folder / f"train.{language}").write_bytes(lines)
        for split in ("dev", "test"):
            shutil.copy(kftt / f"{split}.{language}.gz", folder)
        tune = gzip.decompress((kftt / f"tune.{language}.gz").read_bytes()).splitlines(True)
        (folder / f"gold-dev.{language}").write_bytes(b"".join(tune[:KFTT_GOLD_DEV]))
        (folder / f"gold-test.{language}").write_bytes(b"".join(tune[KFTT_GOLD_DEV:]))
    return folder


def kftt_gold(gold: Path, text: Path) -> list[str]:
    """Say where sentences, words and links of the gold standard are."""
    return [
        f"{prefix}{key}={place}"
        for prefix, split in (("", "test"), ("dev.", "dev"))
        for key, place in {
            "source": text / f"gold-{split}.ja",
            "target": text / f"gold-{split}.en",
            "source_words": gold / f"{split}.ja.gz",
            "target_words": gold / f"{split}.en.gz",
            "gold": gold / f"{split}.align.gz",
        }.items()
    ]


def free_and_guided(
    folder: Path, settings: Settings, task: list[str], links: str, rnn: Sequence[str] = ()
) -> None:
    """Train every attention for the translations alone, and shown links where a piece is read."""
    task = [*task, f"train.max_steps={settings.updates}"]
    guided = [f"guide={links}", "guide.shift=true", "guide.weight=1"]
    for name, guide in (("guided", guided), ("free", ["guide=none"])):
        sweep(folder / name / "rnn", settings, *task, *rnn, *guide, f"attention={SCORES}")
        words = [*task, *guide, *TRANSFORMER, "attention=scaled_dot"]
        sweep(folder / name / "transformer", settings, *words)


def error_table(folder: Path, text: Aligned) -> str:
    """Align a text by every run of a folder, and by eflomal."""
    found = sorted(place.parent for place in folder.glob("*/*/*/result.json"))
    rows = [links(run, text, statistical=run == found[0]) for run in found]
    statistical = [
        [one["aligner"], "", *rates(one)] for one in aligned(found[0], text)["table"][1:]
    ]
    header = ("aligner", "attention that is read", "AER %", "precision %", "recall %")
    return markdown(header, [*statistical, *rows])


def links(run: Path, text: Aligned, statistical: bool) -> list[Cell]:
    """Read a run's links from what is best on dev; return how good they are."""
    if not result_of_alignment(run, text).is_file():
        best = ("layer=best", "head=best", "shift=best", "heatmaps=2")
        nmt("align", f"run='{run}'", *best, f"statistical={str(statistical).lower()}", *text.words)
    found = aligned(run, text)
    guide, model = run.parents[1].name, run.parent.name
    reading = found["reading"]
    if model == "transformer":
        layer, head = (reading[key] or "mean" for key in ("layer", "head"))
        name, read = "Transformer", f"layer {layer}, head {head}"
    else:
        name, read = run.name.removeprefix("attention="), "the only one"
    read += ", shifted" * reading["shift"]
    return [f"{guide}: {name}", read, *rates(found)]


def rates(found: dict[str, Any]) -> list[Cell]:
    """Return AER, precision and recall in percent."""
    return [100 * found[key] for key in ("aer", "precision", "recall")]


def aligned(run: Path, text: Aligned) -> dict[str, Any]:
    """Read what nmt align found."""
    return json.loads(result_of_alignment(run, text).read_text(encoding="utf-8"))


def result_of_alignment(run: Path, text: Aligned) -> Path:
    """Return the file in which nmt align writes it."""
    return run / "alignment" / text.name / "result.json"


STUDIES: dict[str, Callable[[Settings], str]] = {
    one.__name__: one for one in (quality, long_sentences, alignment, kftt)
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
    parser.add_argument("--kftt", type=Path, help="folder with train.ja.gz and so on")
    parser.add_argument("--gold", type=Path, help="folder with KFTT's words and links")
    parser.add_argument("--runs", type=Path, default=Path("runs/comparison"))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--updates", type=int, default=700)
    given = parser.parse_intermixed_args()
    words = [word for word in given.words if word not in STUDIES]
    settings = Settings(
        given.runs, given.multi30k, given.kftt, given.gold, given.seeds, given.updates, words
    )
    for name in [word for word in given.words if word in STUDIES] or STUDIES:
        fill(DOCS / "comparison.md", name, STUDIES[name](settings))


if __name__ == "__main__":
    main()
