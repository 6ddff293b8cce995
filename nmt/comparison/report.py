"""The folder of a comparison: every form of the report, the figures, TensorBoard's events."""

from pathlib import Path

from PIL import Image
from torch.utils.tensorboard.writer import SummaryWriter

from nmt.comparison.atlas import Atlas, Page, save
from nmt.comparison.comparison import Comparison
from nmt.comparison.files import to_csv, to_json, to_latex, to_markdown
from nmt.comparison.page import to_html
from nmt.comparison.plots import Plot, plots
from nmt.comparison.sentences import to_tsv
from nmt.report.hparams import write_columns
from nmt.report.logger import events_of
from nmt.runs.files import write, write_json
from nmt.stages import counted, stage

FIGURES = "figures"


def write_report(comparison: Comparison, shown: Atlas, output: Path) -> None:
    """Write the report into a folder."""
    figures = output / FIGURES
    figures.mkdir(parents=True, exist_ok=True)
    stage("drawing the plots")
    found, pages = plots(comparison), shown.pages
    for plot in counted(found, len(found)):
        Image.fromarray(plot.image).save(figures / f"{plot.name}.png")
        (figures / f"{plot.name}.svg").write_bytes(plot.svg)
    stage("writing the report")
    save(pages, figures)
    listed = [(plot.title, f"{FIGURES}/{plot.name}.png") for plot in found]
    listed += [(f"Sentence {p.number}", f"{FIGURES}/sentence-{p.number}.png") for p in pages]
    write(output / "comparison.md", to_markdown(comparison, listed))
    write(output / "comparison.csv", to_csv(comparison))
    write(output / "comparison.tex", to_latex(comparison))
    write_json(output / "comparison.json", to_json(comparison))
    write(output / "sentences.tsv", to_tsv(comparison))
    write(output / "index.html", to_html(comparison, found, shown))
    write_events(comparison, found, pages, output)


def write_events(
    comparison: Comparison, found: list[Plot], pages: list[Page], folder: Path
) -> None:
    """Write the figures for TensorBoard, and the columns of its HParams."""
    runs = [run for variant in comparison.variants for run in variant.runs]
    write_columns(folder, {run.folder: run.settings for run in runs})
    with SummaryWriter(str(events_of(folder))) as writer:
        for plot in found:
            writer.add_image(f"variants/{plot.name}", plot.image, dataformats="HWC")
        for one in pages:
            writer.add_image(
                f"where_they_looked/sentence-{one.number}", one.image, dataformats="HWC"
            )
