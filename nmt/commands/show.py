"""nmt show: what a choice is, before anything is trained with it."""

import sys
from itertools import groupby

from nmt.attention.bias import Bias
from nmt.catalog.choices import OF_ATTENTION, Choice, find, groups
from nmt.catalog.model_settings import MODEL_SETTINGS, ModelSetting, model_setting
from nmt.catalog.models import MODELS, build, composed, num_parameters, partners
from nmt.commands.errors import in_words, reporting_mistakes
from nmt.errors import UserError
from nmt.terminal.console import printable


@reporting_mistakes
def main() -> None:
    """Run `nmt show`."""
    word, *settings = sys.argv[1:] or [""]
    group, chosen, name = word.partition("=")
    if not word:
        for group, names in groups().items():
            say(f"{group:<14}{' '.join(names)}")
        say(f"{'model.':<14}{' '.join(MODEL_SETTINGS)}")
        say("\nnext:\nnmt show attention\nnmt show attention=bahdanau")
    elif setting := model_setting(word):
        show(setting, settings)
    elif chosen:
        show(find(group, name), settings)
    else:
        list_group(group)


def say(text: str) -> None:
    """Print one piece of the page at once."""
    print(printable(text), flush=True)


def list_group(group: str) -> None:
    """Print the choices of a group, a line for each."""
    names = groups().get(group) or [find(group, "").name]  # which says what groups there are
    width = len(group) + max(map(len, names)) + 3
    for name in names:
        say(f"{f'{group}={name}':<{width}}{find(group, name).first_line()}")
    say(f"\nnext:\nnmt show {group}={names[0]}")


def show(choice: Choice | ModelSetting, settings: list[str]) -> None:
    """Print the page of a choice. What takes seconds comes last."""
    kind, shapes = choice.kind, ""
    if isinstance(choice, Choice):
        shapes = choice.shapes()
    say(f"{choice.word}" + (f"   {kind.__module__}.{kind.__qualname__}" if kind else ""))
    for title, text in (
        ("", choice.text()),
        ("what it is for", choice.purpose()),
        ("shapes", shapes),
        ("facts", "\n".join(choice.facts())),
        ("settings, with their defaults", "\n".join(settings_of(choice))),
    ):
        if text:
            say(f"\n{title}\n{indented(text)}" if title else f"\n{indented(text)}")
    models = [word for word in settings if word.startswith("model=")]
    others = [word for word in settings if word not in models]
    typed = [choice.word]
    if isinstance(choice, ModelSetting):
        typed = [*choice.beside, choice.word]
    elif kind and choice.group in PARTS:
        every = models or [f"model={name}" for name in MODELS]
        built = [words for model in every if (words := try_in(model, choice, others))]
        typed = built[0] if built else typed
    say(f"\nnext:\nnmt train {' '.join(typed)}")


# Groups whose choices are parts of a model.
PARTS = (
    *OF_ATTENTION,
    *("positions", "order", "cell", "bridge", "feed_forward", "residual", "norm"),
)


def several_heads(words: list[str]) -> list[str]:
    """Return the word for several heads if a model can be built with it."""
    word = "model.heads=2"
    try:
        build(composed([*words, word]))
    except Exception as error:
        if in_words(error) is None:
            raise
        return []
    return [word]


def settings_of(choice: Choice | ModelSetting) -> list[str]:
    """Return the settings of a choice as they are typed, each with what its yaml says of it."""
    prefix = "" if choice.group == "experiment" else f"{choice.group}."
    prefix = "model." if isinstance(choice, ModelSetting) else prefix
    rows = [(f"{prefix}{one.key}={one.value}", one.comment) for one in choice.settings]
    width = max((len(typed) for typed, _ in rows), default=0)
    return [f"{typed:<{width}}   {comment}".rstrip() for typed, comment in rows]


def indented(text: str) -> str:
    """Return lines that stand two places to the right."""
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def try_in(model: str, choice: Choice, settings: list[str]) -> list[str]:
    """Print what a choice is in a model: its parameters, and what does not go with it.

    Returns the words with which the model can be trained; none: it has no such part.
    """
    try:
        others = [word for word in settings if not word.startswith(f"{choice.group}.")]
        cfg = composed([model, *others])
    except Exception as error:
        raise UserError(in_words(error) or str(error)) from error
    if not cfg.model.get(choice.group):
        return []
    say(f"\nin {model}")
    words = [model, choice.word, *settings]
    try:
        built = build(composed(words))
    except Exception as error:
        reason = in_words(error)
        if reason is None:
            raise
        say(f"  alone it is refused: {reason}")
        needed = [f"{group}={name}" for group, name, why in partners(cfg, choice) if not why]
        needed = needed or several_heads(words)
        say("".join(f"  it works with {one}\n" for one in needed).rstrip() or "  nothing helps")
        groups_needed = tuple(f"{one.partition('=')[0]}=" for one in needed[:1])
        kept = [word for word in words if not word.startswith(groups_needed)]
        return [*kept, *needed[:1]] if needed else []
    assert choice.kind
    kinds = (choice.kind, Bias) if choice.group == "positions" else (choice.kind,)
    number, total = num_parameters(built, *kinds), num_parameters(built, type(built))
    say(f"  {number:,} of {total:,} parameters")
    refused = ((group, name, why) for group, name, why in partners(cfg, choice) if why)
    for group, found in groupby(refused, key=lambda one: one[0]):
        names, reasons = zip(*((name, why) for _, name, why in found), strict=True)
        say(f"  not with {group}={', '.join(names)}\n    {reasons[0]}")
    return words
