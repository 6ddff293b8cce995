"""What "it" refers to: fifty German sentences with er, sie or es, and where an encoder looks."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from statement_page import DOCS, Found, Rows, Run, Statement, panels

from nmt.batches.ids import Ids
from nmt.data.encode import Encoder
from nmt.models.seq2seq import Kind
from nmt.report.fonts import families
from nmt.report.palette import VARIANTS, WEIGHTS
from nmt.report.words import merge_words
from nmt.run import Translator, open_run

PAIRS = DOCS.parent / "data" / "pronouns.en-de.tsv"  # source, right target, two wrong ones
LAW = "The law will never be perfect, but its application should be just."
ASKS = "its"
PRONOUNS: tuple[str, ...] = ("er", "sie", "es")
SHORT = (
    *("train.max_steps=null", "train.max_pieces=2000000", "train.max_tokens=2048"),
    *("train.evaluate_every=650", "train.ema=0.995", "train.keep_last=1", "train.keep_best=1"),
    *("schedule.warmup=150", "train.heatmaps=0", "decode.beam=1"),
)


def measure(runs: Path) -> Found:
    """Train English to German; ask it for the pronouns, and see where its encoder looks.

    ``corpora`` in the folder of runs is the folder of the shared corpora, or a link to it.
    """
    corpus = f"data.dir={(runs / 'corpora' / 'multi30k').absolute()}"
    run = Run(runs / "pronouns", ["experiment=multi30k_transformer", corpus, *SHORT])
    output = run.folder / "pronouns.jsonl"
    words = [f"run={run.folder}", f"contrast={PAIRS}", f"output={output}", "format=jsonl"]
    subprocess.run([sys.executable, "-m", "nmt", "score", *words, "precision=fp32"], check=True)
    answers = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    return {
        "bleu": run.result["bleu"],
        "chosen": chosen(answers),
        "law": looks(open_run(run.folder, "cpu", "fp32")),
    }


def pronoun(sentences: list[str], place: int) -> str:
    """Return the pronoun in which a sentence differs from the others."""
    words = [set(sentence.split()) for sentence in sentences]
    (found,) = words[place] - set.intersection(*words)
    return found


def chosen(answers: Sequence[Found]) -> dict[str, dict[str, int]]:
    """Count which pronoun the model finds most probable, for each that is right."""
    found: dict[str, dict[str, int]] = {right: dict.fromkeys(PRONOUNS, 0) for right in PRONOUNS}
    for answer in answers:
        log_ps = [target["log_p"] for target in answer["targets"]]
        texts = [target["text"] for target in answer["targets"]]
        best = max(range(len(log_ps)), key=log_ps.__getitem__)
        found[pronoun(texts, 0)][pronoun(texts, best)] += 1
    return found


def looks(translator: Translator) -> Found:
    """Return where "its" looks, in words, in every layer and head of the encoder: (L,H,W)."""
    encode = Encoder(translator.source_tokenizer, translator.target_tokenizer)
    ids = Ids.of_table(encode(([LAW], [LAW])))
    source = ids.source.padded([0])
    (own,) = (
        one.weights[0]
        for one in translator.attention(source, ids.target.padded([0]))
        if one.kind == Kind.ENCODER
    )  # (L,H,S,S)
    pieces = translator.source_tokenizer.pieces(source[0].tolist())
    merged = [
        [merge_words(head.float(), pieces, pieces, ("en", "en")) for head in layer] for layer in own
    ]
    words = merged[0][0][1]
    row = words.index(ASKS)
    return {"words": words, "weights": [[w[row].tolist() for w, _, _ in layer] for layer in merged]}


def draw(found: Found) -> Figure:
    """Draw what is chosen for each right pronoun, and the most that a head of "its" looks at."""
    figure, axes = panels(["most probable pronoun", f"“{ASKS}” looks at"], 5.2)
    bottom = [0.0] * len(PRONOUNS)
    for place, name in enumerate(PRONOUNS):
        values = [found["chosen"][right][name] for right in PRONOUNS]
        axes[0].bar(PRONOUNS, values, 0.6, bottom, color=VARIANTS[place], label=name)
        bottom = [a + b for a, b in zip(bottom, values, strict=True)]
    axes[0].set_xlabel("right pronoun")
    axes[0].set_ylabel("sentences")
    axes[0].set_ylim(0, 1.3 * max(bottom))
    axes[0].legend(fontsize=8, title="chosen", title_fontsize=8, loc="upper center", ncols=3)
    words, layers = found["law"]["words"], found["law"]["weights"]
    axes[1].grid(visible=False)
    heads = [head for layer in layers for head in layer]
    drawn = axes[1].imshow(heads, cmap=WEIGHTS, vmin=0, vmax=1, aspect="auto")
    figure.colorbar(drawn, ax=axes[1], label="weight")
    axes[1].set_xticks(range(len(words)), words, rotation=60, fontsize=8, family=families())
    names = [
        f"layer {layer + 1}, head {head + 1}" if head == 0 else f"{head + 1}"
        for layer, of_layer in enumerate(layers)
        for head in range(len(of_layer))
    ]
    axes[1].set_yticks(range(len(names)), names, fontsize=6)
    return figure


def rows(found: Found) -> Rows:
    """How often each pronoun is right, and how often it is chosen at all."""
    table: Rows = [("right", "sentences", *(f"chosen: {name}" for name in PRONOUNS), "accuracy")]
    for right, counts in found["chosen"].items():
        number = sum(counts.values())
        shares = f"{100 * counts[right] / number:.0f} %"
        table.append((right, number, *counts.values(), shares))
    total = sum(sum(counts.values()) for counts in found["chosen"].values())
    correct = sum(counts[right] for right, counts in found["chosen"].items())
    columns = [sum(counts[name] for counts in found["chosen"].values()) for name in PRONOUNS]
    return [*table, ("all", total, *columns, f"{100 * correct / total:.0f} %")]


STATEMENT = Statement(measure, draw, rows)
