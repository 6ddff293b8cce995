"""README.md of an exported model: what it is, how good it is, what it was trained on."""

from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import torch

from nmt.config.settings import Setting
from nmt.data.pairs import piece_of
from nmt.evaluation.evaluate import SOURCES
from nmt.evaluation.weights import found, weights_of
from nmt.export.original import Original
from nmt.report.heatmap import Axis, heatmap
from nmt.report.words import in_words
from nmt.runs.files import lines_of
from nmt.runs.foreign import is_number
from nmt.runs.versions import version_of

CARD, PICTURE = "README.md", "attention.png"
# Settings whose values are places of the machine that trained: their last part is kept.
PLACES = (
    *("data.dir", "data.folder", "data.train", "data.dev", "data.test", "synthetic.files"),
    *("init", "tokenizer.run", "tokenizer.model", "guide.path"),
)
METRICS = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER", "bleu_tok_lc": "BLEU, lower-cased"}
WORDS = range(6, 15)  # of the sentence that is drawn


class Scored(NamedTuple):
    """A score of the test."""

    name: str
    value: float
    signature: str


def write_card(
    original: Original, folder: Path, to: str, quantization: str, difference: float
) -> None:
    """Write README.md, and attention.png if the run has a test text to draw a sentence of.

    ``difference`` is that from the original, in nats per piece.
    """
    translator = original.translator
    content = template().render(
        name=original.run.resolve().name,
        languages=translator.languages,
        asks=[piece_of(one) for one in translator.targets],
        source=translator.source_language,
        target=translator.target_language,
        to=to,
        quantization=quantization,
        difference=f"{difference:.1g}",
        scores=scores(original.result),
        result=original.result,
        settings=public(original.settings),
        decode=original.decode,
        nmt=version_of("nmt"),
        drawn=draw(original, folder / PICTURE),
        picture=PICTURE,
        parameters=sum(one.numel() for one in translator.model.parameters()),
    )
    (folder / CARD).write_text(content, encoding="utf-8")


def template() -> jinja2.Template:
    """Return the text of a card, in which values are to be put."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    made = jinja2.Environment(loader=loader, trim_blocks=True, lstrip_blocks=True)
    return made.get_template("card.md.j2")


def scores(result: dict[str, Any]) -> list[Scored]:
    """Return the scores that a result has, with their signatures."""
    signatures = result.get("signatures")
    signatures = signatures if isinstance(signatures, dict) else {}
    return [
        Scored(name, float(result[key]), str(signatures.get(key, "")))
        for key, name in METRICS.items()
        if is_number(result.get(key))
    ]


def public(found: dict[str, Setting]) -> dict[str, Setting]:
    """Return settings without the folders of the machine that trained."""
    return {
        key: ",".join(Path(one).name for one in str(value).split(","))
        if key in PLACES or (key == "data.name" and str(value).startswith(("/", "~", ".")))
        else value
        for key, value in found.items()
    }


def draw(original: Original, path: Path) -> str | None:
    """Draw where the model looks in a sentence of the test, word by word: the mean of all heads.

    Return what the picture shows; None: there is no picture, as there is no sentence or no
    attention.
    """
    texts = original.run / SOURCES
    sources = lines_of(texts) if texts.is_file() else []
    fitting = [line for line in islice(sources, 1000) if len(line.split()) in WORDS]
    line = next(iter(fitting or filter(None, sources)), None)
    if line is None:
        return None
    translator, decode = original.translator, original.decode
    ((best, *_),) = translator([line], decode)
    (read,) = weights_of(translator, [found(translator, 1, line, best, decode.max_source)])
    shown = in_words(read)
    if "cross" not in shown.weights:
        return None
    mean = torch.from_numpy(shown.weights["cross"].mean((0, 1)))
    above = Axis(shown.source_pieces, "source", translator.source_language)
    left = Axis(shown.target_pieces, "predicted", translator.target_language)
    lines = [("source", line), ("translation", best.text)]
    figure = heatmap(mean, above, left, "", lines)
    figure.savefig(path)
    return "the mean of all heads and layers of source-target attention"
