"""A comparison as one self-contained page of HTML, with its images and scripts inside.

Without scripts, and on paper, it shows the same tables, plots and sentences. Scripts sort tables,
and replace the pictures of sentences by the explorer. User text stays text, and the page may not
load anything.
"""

import base64
import io
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from nmt.comparison.atlas import Atlas, Page, drawn_runs
from nmt.comparison.comparison import Comparison
from nmt.comparison.headline import headline, subtitle
from nmt.comparison.plots import Plot, as_svg, swatch
from nmt.comparison.points import points
from nmt.comparison.sentences import sentences
from nmt.comparison.tables import different, footnotes, grids, legend
from nmt.data.text import one_line
from nmt.report.explorer import page as explorer
from nmt.report.several import alone

FOLDER = Path(__file__).parent
TEMPLATE, STYLE, SCRIPT = (FOLDER / name for name in ("page.html.j2", "page.css", "tables.js"))
OPEN = ("Without a result",)  # tables that are not folded


def to_html(comparison: Comparison, plots: list[Plot], shown: Atlas) -> str:
    """Return the page; every text in it is escaped and on one line."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda cell: one_line(cell) if type(cell) is str else cell,  # not of Markup
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    first, *others = grids(comparison)
    style = explorer.style() + STYLE.read_text(encoding="utf-8")
    return template.render(
        title=headline(comparison),
        about=[*subtitle(comparison), f"{date.today():%-d %B %Y}"],
        first=first,
        grids=[grid for grid in (*others, different(comparison)) if grid.rows],
        open=OPEN,
        footnotes=footnotes(comparison),
        heading=comparison.heading,
        swatches=[
            {"name": row.variant.short, "image": svg_uri(swatch(place))}
            for place, row in enumerate(comparison.rows)
        ],
        plots=[drawn(one) for one in plots],
        pages=[sentence(comparison, one) for one in shown.pages],
        legend=legend(comparison),
        signatures=comparison.signatures,
        policy=explorer.POLICY,
        style=Markup(style),
        script=Markup(SCRIPT.read_text(encoding="utf-8")),
        explorer=Markup(explorer.embedded(shown.touched)) if shown.touched else "",
    )


def drawn(plot: Plot) -> dict[str, Any]:
    """Return a plot without its legend, which the page has once, and the values in it."""
    with plot.without_legend() as figure:
        image, values = svg_uri(as_svg(figure)), points(plot)
    return {"title": plot.title, "caption": plot.caption, "image": image, "points": values}


def sentence(comparison: Comparison, page: Page) -> dict[str, Any]:
    """Return a sentence with its pictures, and the measures of each translation."""
    runs = {variant.name: run for variant, run in drawn_runs(comparison)}
    looks = []
    for one in page.looks:
        found = sentences(runs[one.variant.name])[page.number - 1]
        notes = {"repeated": found.repeated_words, "dropped": found.dropped_words}
        told = [f"{what}: {words}" for what, words in notes.items() if words]
        image = png_uri(alone(one.panel)) if one.panel else ""
        look = {"name": one.variant.short, "said": one.said, "text": one.text}
        looks.append({**look, "notes": told, "image": image})
    texts = {"source": page.source, "reference": page.reference}
    return {"number": page.number, **texts, "looks": looks}


def png_uri(image: np.ndarray) -> str:
    """Return a picture as a data URI."""
    data = io.BytesIO()
    Image.fromarray(image).convert("RGB").quantize(128).save(data, "PNG", optimize=True)
    return data_uri("image/png", data.getvalue())


def svg_uri(data: bytes) -> str:
    """Return a file of SVG as a data URI."""
    return data_uri("image/svg+xml", data)


def data_uri(kind: str, data: bytes) -> str:
    """Return the content of an image where its address would be."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
