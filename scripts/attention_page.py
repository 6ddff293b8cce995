"""Write docs/attentions.md, all choices of an attention, from their yamls and classes.

python scripts/attention_page.py
"""

from pathlib import Path

from nmt.catalog.choices import Choice, find, groups
from nmt.terminal.console import tell

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "attentions.md"
TITLE = """\
# All attentions

    Attention(query, keys, values) = Normalize(F(query, keys)) · values

One word on the command line chooses each part of this formula. This page lists all choices, each
with its formula, its paper and its settings with their defaults.

- `nmt show GROUP=CHOICE` prints the same for one choice. It also counts the choice's parameters in
  a model, and names the choices that it cannot be combined with.
- A choice can hold for one place or one layer alone, as in `nmt train cross.normalize=sparsemax`
  ([places](places.md)).
- `python scripts/attention_page.py` writes this page from the code.

In the formulas, q is a query and k a key. z are the scores of one query, z_i that of key i.
σ(x) is 1 / (1 + exp(-x)); the σ of the Gaussian is its standard deviation. Pieces are the subwords
that the tokenizer makes. `UserError` is a refusal: the command ends with a message before anything
is trained.
"""
PICTURE = """\
The picture has the scores of one query over eight keys, and the weights that each normalizer makes
of them outside of training. An empty cell is exactly 0. Stick-breaking and monotonic attention take
the keys from left to right. Constrained weights are at most 0.25 here, except that of the last key.
For the other normalizers the order of the keys does not matter. `temperature` is not shown, because
it also depends on the query.

![Eight scores under each normalizer](images/normalizers.png)

(`python scripts/normalizer_picture.py`)
"""
# What each group is in the formula.
GROUPS = {
    "attention": "F, the score: how well a query matches a key",
    "normalize": "Normalize: from scores to weights",
    "window": "Window: which keys a query sees",
    "sink": "Sink: a place beside the keys, for a query that finds nothing",
    "gate": "Gate: what happens to the output of each head, before W_O",
    "mix": "Mix: how the weights of a head are made of several maps of scores",
    "positions": "Positions: how a Transformer knows the order of the pieces",
}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    tell(f"wrote {PAGE.relative_to(ROOT)}", "attention_page.py")


def page() -> str:
    """Return the page."""
    parts = [TITLE]
    for group, title in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [PICTURE] if group == "normalize" else []
        parts.append(listed(group))
        parts += [section(find(group, name)) for name in groups()[group]]
    return "\n".join(parts)


def listed(group: str) -> str:
    """Return a line with a link to each choice of a group."""
    return (
        ", ".join(f"[`{group}={name}`](#{anchor(group, name)})" for name in groups()[group]) + "\n"
    )


def anchor(group: str, name: str) -> str:
    """Return what GitHub makes of a heading."""
    return f"{group}{name}"


def section(choice: Choice) -> str:
    """Return formula, paper, facts and settings of a choice."""
    assert choice.kind
    file = f"{choice.kind.__module__.replace('.', '/')}.py"
    text = "\n".join(f"    {line}".rstrip() for line in choice.text().splitlines())
    parts = [f"### `{choice.word}`\n", f"{text}\n"]
    if choice.facts():
        parts.append(" ".join(choice.facts()) + "\n")
    for one in choice.settings:
        comment = f": {one.comment}" if one.comment else ""
        parts.append(f"- `{choice.group}.{one.key}={one.value}`{comment}")
    if choice.settings:
        parts.append("")
    parts.append(f"[{Path(file).name}](../{file})\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
