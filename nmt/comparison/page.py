"""A comparison as one page of HTML that needs nothing else: its images and scripts are inside.

Without scripts it shows the same tables, plots and pictures; scripts sort tables, and show the
explorer. What people wrote is text, and the page may load nothing.
"""

import base64
import io
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from nmt.comparison.atlas import Atlas, Page, drawn_runs
from nmt.comparison.cells import Grid
from nmt.comparison.comparison import Comparison
from nmt.comparison.plots import Plot
from nmt.comparison.points import points
from nmt.comparison.sentences import sentences
from nmt.comparison.tables import different, footnotes, grids, legend
from nmt.data.text import one_line
from nmt.report.explorer.page import POLICY, STYLE, embedded, source

TEMPLATE = Path(__file__).with_name("page.html.j2")
SORTING = Path(__file__).with_name("tables.js")


def to_html(comparison: Comparison, plots: list[Plot], shown: Atlas) -> str:
    """Return the page; every text in it is escaped and on one line."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda cell: one_line(cell) if type(cell) is str else cell,  # not of Markup
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        title="Comparison",
        grids=grids(comparison),
        different=different(comparison),
        footnotes=footnotes(comparison),
        plots=[
            {
                "title": one.title,
                "caption": one.caption,
                "image": data_uri("image/svg+xml", one.svg),
                "points": points(one),
            }
            for one in plots
        ],
        pages=[
            {"number": one.number, "image": png_uri(one), "texts": texts(comparison, one)}
            for one in shown.pages
        ],
        legend=legend(comparison),
        signatures=comparison.signatures,
        policy=POLICY,
        style=Markup(source(STYLE)),
        sorting=Markup(SORTING.read_text(encoding="utf-8")),
        explorer=Markup(embedded(shown.touched)) if shown.touched else "",
    )


def texts(comparison: Comparison, page: Page) -> Grid:
    """Return what the variants wrote for a sentence, below source and reference."""
    shown = drawn_runs(comparison)
    first = shown[0][1]
    assert first.references
    rows = [["source", page.source, "", ""]]
    rows += [["reference", first.references[page.number - 1], "", ""]]
    for variant, run in shown:
        if run.hypotheses is not None:
            found = sentences(run)[page.number - 1]
            text = run.hypotheses[page.number - 1]
            rows.append([variant.name, text, found.repeated_words, found.dropped_words])
    header = [f"sentence {page.number}", "", "repeated", "dropped"]
    return Grid("", header, rows, text_columns=4)


def png_uri(page: Page) -> str:
    """Return a page of the atlas as a data URI."""
    data = io.BytesIO()
    Image.fromarray(page.image).convert("RGB").quantize(128).save(data, "PNG", optimize=True)
    return data_uri("image/png", data.getvalue())


def data_uri(kind: str, data: bytes) -> str:
    """Return the content of an image where its address would be."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
