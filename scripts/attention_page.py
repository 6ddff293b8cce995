"""Write docs/attentions.md, all choices of an attention, from their yamls and classes.

python scripts/attention_page.py

What a choice costs is in docs/attentions.cost.json, which scripts/attention_cost.py measures. Its
results and where it looked are in the ledgers of docs/studies.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attention_family import joint
from attention_pictures import (
    FOLDER,
    README,
    draw,
    draw_for_readme,
    file_of,
    picture_of,
    scores_of,
)
from attention_studies import HEADER, Looked, all_findings, rows

from nmt.catalog.choices import Choice, find, groups
from nmt.catalog.model_settings import MODEL_SETTINGS, ModelSetting
from nmt.terminal.console import tell
from nmt.terminal.table import markdown

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "attentions.md"
COST = ROOT / "docs" / "attentions.cost.json"
TITLE = """\
# All attentions

    Attention(query, keys, values) = Normalize(F(query, keys)) · values

Each part of this formula is chosen by one argument. For each choice this page has its purpose,
formula, paper, settings with their defaults, cost, and results.

- `nmt show GROUP=CHOICE` prints the same for one choice. It also counts the parameters of the
  choice in a model, and lists the choices that it cannot be combined with.
- A choice can apply to one place or one layer, as in `nmt train cross.normalize=sparsemax`
  ([places](places.md)).
- `python scripts/attention_page.py` generates this page from the code and the
  [studies](studies.md).

**Cost** is the CPU time of a forward and a backward pass of the whole model, relative to the same
model without the choice; for a score, relative to the model with `scaled_dot`. The model has 4,000
pieces on each side, and reads 16 sentences of 20 pieces in float32 on one thread. Both models
alternate, {rounds} times each, and the median counts. The machine was shared, so differences below
0.05 say little. (`python scripts/attention_cost.py`)

**Pictures** show where each piece of a reference (left) looks in its source (top): white is 0, dark
blue is 1. The sentence is the first of [the studies' own](../configs/study_text/multi30k.yaml). If
a study has run the choice, the picture shows its trained model, the mean over layers and heads.
Otherwise it shows the scores of a trained `{given}` in an RNN with the choice applied to them.
Choices with parameters that are initialized at random have no picture until a study has run them.

**Results** come from the [studies](studies.md) so far: BLEU is the mean over the test sets, Δ the
difference to the baseline of the study, with a star if p Holm is below 0.05 ([the
test](compare.md#is-the-method-better)). REP and DROP are repeated and dropped words ([what they
are](compare.md#words-repeated-dropped-rare)); an empty cell was not measured. Entropy is that of
source-target attention in nats.

In the formulas, W_O is the matrix that merges the heads, ⊙ multiplies number by number, RMS(y) is
the root of the mean of y². H is the number of heads; in `entmax`, `entmax15` and `reinforce` it is
an entropy. Names such as `LinearBias` are classes in `nmt/attention`. q is a query and k a key. z
are the scores of one query, z_i that of key i. σ(x) is 1 / (1 + exp(-x)); the σ of the Gaussian is
its standard deviation. Pieces are the subwords of the tokenizer. `UserError` means that the command
stops with a message before training.
"""
PICTURE = """\
The picture shows the scores of one query over eight keys, and the weights of each normalizer
outside of training. An empty cell is exactly 0. Stick-breaking and monotonic attention read the
keys from left to right. Constrained weights are at most 0.25 here, except that of the last key.
For the other normalizers the order of the keys does not matter. `temperature` is not shown, because
it also depends on the query.

![Eight scores under each normalizer](images/normalizers.png)

(`python scripts/normalizer_picture.py`)
"""
ROUNDS = 11  # of scripts/attention_cost.py
# What each group is in the formula.
GROUPS = {
    "attention": "F, the score: how well a query matches a key",
    "normalize": "Normalize: from scores to weights",
    "window": "Window: which keys a query sees",
    "sink": "Sink: a place beside the keys, for a query that finds nothing",
    "gate": "Gate: what happens to the output of each head, before W_O",
    "mix": "Mix: several score maps behind the weights of a head",
    "positions": "Positions: how a Transformer knows the order of pieces",
}
SETTINGS = "Settings of the model"


def main() -> None:
    """Write the page and its pictures, and the README's."""
    for old in FOLDER.glob("*.png"):
        old.unlink()
    for choice in every():
        if drawn := picture_of(choice):
            draw(drawn[0], FOLDER / file_of(choice))
    draw_for_readme(README)
    PAGE.write_text(page(), encoding="utf-8")
    tell(f"wrote {PAGE.relative_to(ROOT)}", "attention_page.py")


def every() -> list[Choice | ModelSetting]:
    """Return all that has a section, in order."""
    choices = [find(group, name) for group in GROUPS for name in groups()[group]]
    return [*choices, *MODEL_SETTINGS.values()]


def page() -> str:
    """Return the page."""
    given = scores_of()
    parts = [TITLE.format(rounds=ROUNDS, given=given.variant if given else "model")]
    parts += joint(all_findings(), COST)
    for group, title in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [PICTURE] if group == "normalize" else []
        choices = [find(group, name) for name in groups()[group]]
        parts += [listed(choices), *map(section, choices)]
    settings = list(MODEL_SETTINGS.values())
    parts += [f"## {SETTINGS}\n", listed(settings), *map(section, settings)]
    return "\n".join(parts)


def listed(choices: Sequence[Choice | ModelSetting]) -> str:
    """Return a line with a link to each choice."""
    return ", ".join(f"[`{one.word}`](#{anchor(one.word)})" for one in choices) + "\n"


def anchor(word: str) -> str:
    """Return what GitHub makes of a heading."""
    return re.sub(r"[=.]", "", word)


def section(choice: Choice | ModelSetting) -> str:
    """Return formula, paper, facts and settings of a choice."""
    assert choice.kind
    file = f"{choice.kind.__module__.replace('.', '/')}.py"
    text = "\n".join(f"    {line}".rstrip() for line in choice.text().splitlines())
    parts = [f"### `{choice.word}`\n", f"{choice.purpose()}\n", f"{text}\n"]
    if choice.facts():
        parts.append(" ".join(choice.facts()) + "\n")
    for one in choice.settings:
        comment = f": {one.comment}" if one.comment else ""
        prefix = "model" if isinstance(choice, ModelSetting) else choice.group
        parts.append(f"- `{prefix}.{one.key}={one.value}`{comment}")
    if choice.settings:
        parts.append("")
    parts.append(f"{cost(choice)}[{Path(file).name}](../{file})\n")
    if drawn := picture_of(choice):
        parts.append(picture(choice, *drawn))
    if found := rows(choice):
        # links are to be followed, and no cell has other markup
        parts.append(markdown(HEADER, found).replace("\\[", "[") + "\n")
    return "\n".join(parts)


def cost(choice: Choice | ModelSetting) -> str:
    """Say how many parameters a choice has, and how much time it takes; empty: not measured.

    Of a setting of the model: how many parameters it adds.
    """
    measured: dict[str, Any] = json.loads(COST.read_text(encoding="utf-8"))
    if choice.word not in measured:
        return ""
    one = measured[choice.word]
    words = " ".join(word for word in one["words"])
    share = f"{one['parameters']:,} of {one['of']:,} parameters"
    time = f"cost {one['ratio']:.2f}" if choice.word != "attention=scaled_dot" else "cost 1"
    if isinstance(choice, ModelSetting):
        share = f"{one['parameters']:+,} parameters, {one['of']:,} in all"
    return f"With `{words}`: {share}, {time} ({one['machine']}). "


def picture(choice: Choice | ModelSetting, found: Looked, trained: bool) -> str:
    """Show a picture, and say what it is of."""
    link = f"![The weights of {choice.word}](images/attention/{file_of(choice)})"
    of = "self-attention of the encoder" if choice.group == "positions" else "attention"
    told = (
        f"Trained: the {of} of `{found.variant}` in [{found.study}](studies/{found.study}.md)."
        if trained
        else "Not trained: this score has nothing to learn."
        if choice.group == "attention"
        else f"Not trained: the scores of `{found.variant}` with `{choice.word}` applied to them."
    )
    return f"{link}\n\n{told}\n"


if __name__ == "__main__":
    main()
