"""The three attentions of a Transformer over one sentence, side by side."""

from pathlib import Path

from matplotlib.figure import Figure
from statement_page import Found, Rows, Statement, panels, studied
from torch import Tensor

from nmt.batches.ids import Ids
from nmt.data.encode import Encoder
from nmt.models.seq2seq import Kind
from nmt.report.fonts import families
from nmt.report.palette import WEIGHTS
from nmt.report.words import merge_words
from nmt.run import Translator, open_run

SOURCE = "Ein kleines Mädchen in einem roten Kleid spielt mit seinem Hund im Garten."
TARGET = "A little girl in a red dress is playing with her dog in the garden."
TITLES = {
    Kind.ENCODER: "source → source\nencoder self-attention",
    Kind.SOURCE_TARGET: "target → source\nsource-target attention",
    Kind.DECODER: "target → target\nmasked self-attention",
}


def measure(runs: Path) -> Found:
    """Have a model of the study read a sentence of our own."""
    return weights(open_run(studied(runs), "cpu", "fp32"))


def weights(translator: Translator) -> Found:
    """Return the weights of the last layer's heads, their mean, between words, by kind."""
    encode = Encoder(translator.source_tokenizer, translator.target_tokenizer)
    ids = Ids.of_table(encode(([SOURCE], [TARGET])))
    source, target = ids.source.padded([0]), ids.target.padded([0])
    pieces = translator.source_tokenizer.pieces(source[0].tolist())
    read = translator.target_tokenizer.pieces(target[0].tolist())
    sides = {
        Kind.ENCODER: (pieces, pieces, ("de", "de")),
        Kind.SOURCE_TARGET: (pieces, read[1:], ("de", "en")),
        Kind.DECODER: (read[:-1], read[:-1], ("en", "en")),
    }
    found: Found = {}
    for one in translator.attention(source, target):
        mean: Tensor = one.weights[0, -1].float().mean(0)
        merged, keys, queries = merge_words(mean, *sides[one.kind])
        rounded = [[round(weight, 3) for weight in row] for row in merged.tolist()]
        found[one.kind.value] = {"keys": keys, "queries": queries, "weights": rounded}
    return found


def draw(found: Found) -> Figure:
    """Draw the three, queries down and keys across."""
    figure, axes = panels(list(TITLES.values()), 4.6)
    figure.set_figheight(5)
    for axis, kind in zip(axes, TITLES, strict=True):
        one = found[kind.value]
        axis.grid(visible=False)
        axis.imshow(one["weights"], cmap=WEIGHTS, vmin=0, vmax=1, aspect="auto")
        style = {"fontsize": 8, "family": families()}
        axis.set_xticks(range(len(one["keys"])), one["keys"], rotation=90, **style)
        axis.set_yticks(range(len(one["queries"])), one["queries"], **style)
    return figure


def rows(found: Found) -> Rows:
    """The largest weight of a query, on average, and how much of the weight goes to later words."""
    table: Rows = [("attention", "queries", "keys", "largest weight, mean", "on later words")]
    for kind, title in TITLES.items():
        one = found[kind.value]
        largest = sum(max(row) for row in one["weights"]) / len(one["weights"])
        later = sum(sum(row[place + 1 :]) for place, row in enumerate(one["weights"]))
        share = f"{100 * later / len(one['weights']):.0f} %"
        names = title.replace("\n", ", "), len(one["queries"]), len(one["keys"])
        table.append((*names, f"{largest:.2f}", share if kind != Kind.SOURCE_TARGET else ""))
    return table


STATEMENT = Statement(measure, draw, rows)
