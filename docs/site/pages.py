"""The reference pages that are made from the code: configuration, choices, commands, Python.

`make docs` writes them into docs/reference, which git does not keep. What they say is written once:
behind the keys of nmt/config/schema.py and of configs/, in docstrings, and in nmt/commands/help.py.
"""

import inspect
import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml
from keys import Key, keys_of, settings_of
from omegaconf import OmegaConf

from nmt.catalog.choices import Choice, comment_of, find, groups, path_of
from nmt.catalog.models import composed
from nmt.commands.help import COMMANDS, OVERVIEW, command_help
from nmt.config import schema
from nmt.config.yamls import config_folder

ROOT = Path(__file__).resolve().parents[2]
ATTENTION_PAGE = ROOT / "docs" / "attentions.md"
# Rooms of nmt/ that are extended or used from Python; the others serve the commands.
PACKAGES = ("attention", "models", "decoding", "training", "data", "alignment", "metrics")
PLACES = ("encoder", "decoder", "cross")
OTHER_GROUPS = {"experiment": "settings for one purpose, in the place of the defaults"}
SCHEMAS: dict[str, type] = {
    "translate": schema.Translate,
    "export": schema.Export,
    "evaluate": schema.Evaluate,
    "score": schema.Score,
    "heads": schema.Heads,
    "align": schema.Align,
    "compare": schema.Compare,
    "explore": schema.Explore,
    "study": schema.StudyRoot,
}
CONFIGURATION = """\
# Configuration

Every key, as it is typed on the command line: `nmt train train.max_steps=500 seed=2`. Quote values
with brackets: `'data.train=[my.de,my.en]'`. `null` switches a key off. Defaults are those of the
command without arguments; [choices and experiments](settings.md) bring others.
`nmt train --cfg job` prints all keys of a training with the values that it would have.
"""
CHOICES = """\
# Choices and their settings

`NAME=CHOICE` on the command line takes a file of `configs/NAME`: `nmt train attention=bahdanau`.
The keys of a choice are typed below its name: `attention.width=64`. `nmt show NAME=CHOICE` prints
what is here, counts parameters in a model, and names what a choice cannot be combined with.
"""
COMMAND_LINE = """\
# Command line

What `nmt COMMAND --help` prints.
"""
API = """\
Python
======

.. automodule:: nmt
   :members:
   :special-members: __call__, __len__, __getitem__

Parts
-----

The classes that the configuration chooses, and what they are made of.

.. toctree::

"""


def write(folder: Path) -> None:
    """Write all pages; one that says the same as before is left as it is, for Sphinx's cache."""
    pages = {
        "configuration.md": configuration(),
        "settings.md": choices(),
        "command-line.md": command_line(),
        "corpora.md": corpora(),
        "python.rst": API + "".join(f"   api/{name}\n" for name in PACKAGES),
        **{f"api/{name}.rst": package(name) for name in PACKAGES},
    }
    for name, text in pages.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def configuration() -> str:
    """Return the page of all keys."""
    parts = [CONFIGURATION, "## nmt train\n"]
    for title, rows in groupby(training_keys(), key=lambda one: one.name.rpartition(".")[0]):
        if title:
            parts.append(f"### {title}\n")
        parts.append(table(rows))
    for command, kind in SCHEMAS.items():
        parts += [f"## nmt {command}\n", table(keys_of(kind))]
    parts.append("## nmt bench\n")
    parts.append("The keys of [nmt train](#nmt-train), and:\n")
    own = [one for one in keys_of(schema.BenchRoot) if one.name.startswith(("bench.", "output"))]
    parts.append(table(own))
    return "\n".join(parts)


def training_keys() -> list[Key]:
    """Return the keys of `nmt train` that the schema has, with the defaults that it composes."""
    content: Any = OmegaConf.to_container(composed([]), resolve=True)
    taken = defaults_list("train")
    found = keys_of(schema.Root, defaults=content)
    meanings = meanings_of_groups()
    parts = [
        Key(group, f"[a choice](settings.md#{group})", taken[group] or "null", meanings[group])
        for group in groups()
    ]
    for number, key in enumerate(found):
        if key.name in PLACES:
            found[number] = Key(key.name, "[choices](../places.md)", "null", key.meaning)
    others = sorted(found, key=lambda one: "." in one.name)
    return parts + [key for key in others if key.name not in meanings]


def meanings_of_groups() -> dict[str, str]:
    """Return what the choices of each group decide."""
    found = {key.name: key.meaning for key in keys_of(schema.Root)}
    for field in fields(schema.Root):
        if is_dataclass(field.type):
            found[field.name] = summary(field.type)
    return {group: found.get(group) or OTHER_GROUPS[group] for group in groups()}


def summary(kind: Any) -> str:
    """Return the first line of a docstring as a comment has it."""
    line = str(inspect.getdoc(kind)).partition("\n")[0].rstrip(".")
    return line[:1].lower() + line[1:]


def defaults_list(name: str) -> dict[str, str | None]:
    """Return what the defaults list of a yaml chooses."""
    content = yaml.safe_load((config_folder() / f"{name}.yaml").read_text(encoding="utf-8"))
    entries = (one for one in content["defaults"] if isinstance(one, dict))
    return {key: value for entry in entries for key, value in entry.items()}


def table(keys: Iterable[Key]) -> str:
    """Return a table of keys."""
    rows = [
        (
            f"`{key.name}`",
            key.kind,
            f"`{key.default}`" if key.default != "required" else key.default,
            escaped(key.meaning),
        )
        for key in keys
    ]
    return grid(("key", "type", "default", "meaning"), rows)


def escaped(text: str) -> str:
    """Return a comment as Markdown: <corpus> is not HTML, and None is typed as null."""
    return re.sub(r"\bNone\b", "null", text.replace("<", "&lt;"))


def grid(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table of Markdown whose cells may hold Markdown."""
    lines = [header, ("---",) * len(header), *rows]
    cells = (" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines)
    return "\n".join(f"| {line} |" for line in cells) + "\n"


def choices() -> str:
    """Return the page of all choices."""
    meanings = meanings_of_groups()
    described = ATTENTION_PAGE.read_text(encoding="utf-8")
    parts = [CHOICES]
    for group, names in groups().items():
        parts += [f"## {group}\n", f"{sentence(meanings[group])}\n"]
        for name in names:
            choice = find(group, name)
            parts.append(section(choice, f"### `{choice.word}`\n" in described))
    return "\n".join(parts)


def section(choice: Choice, described: bool) -> str:
    """Return what a choice is, and its keys; ``described``: docs/attentions.md has the rest."""
    parts = [f"### `{choice.word}`\n"]
    if choice.group == "data":
        corpus = schema.CORPORA[choice.name]
        about = f"[about this corpus](corpora.md#{choice.name})"
        about = "[about streams](../large-corpora.md)" if choice.name == "stream" else about
        parts.append(f"{{py:class}}`{schema.target_of(corpus)}` ({about})\n")
        parts += [f"{escaped(sentence(summary(corpus)))}\n", table(keys_of(corpus, "data."))]
    elif choice.kind is None:
        told = comment_of(path_of(choice.group, choice.name)).partition("\n  nmt ")[0]
        parts += [f"{escaped(told)}\n"] if told else []
        parts += [f"```yaml\n{text}\n```\n"] if (text := settings_text(choice)) else []
    else:
        name = f"{choice.kind.__module__}.{choice.kind.__qualname__}"
        more = f" ([formula, picture, cost](../attentions.md#{choice.group}{choice.name}))"
        told = choice.purpose() or choice.first_line()
        parts += [f"{escaped(told)}\n", f"{{py:class}}`{name}`{more if described else ''}\n"]
        parts += [table(keys)] if (keys := settings_of(choice)) else []
    return "\n".join(parts)


def settings_text(choice: Choice) -> str:
    """Return what a yaml sets, without its comment and where its schema is."""
    lines = path_of(choice.group, choice.name).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("#") and "/schema/" not in line]
    text = "\n".join(line for line in kept if line.strip() != "- _self_")
    return re.sub(r"^defaults:\n(?! )", "", text.strip() + "\n", flags=re.MULTILINE).strip()


def sentence(text: str) -> str:
    """Write a comment as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def command_line() -> str:
    """Return the help of all commands."""
    parts = [COMMAND_LINE, fenced(OVERVIEW)]
    for command in COMMANDS:
        parts += [f"## nmt {command}\n", fenced(command_help(command))]
    return "\n".join(parts)


def fenced(text: str) -> str:
    """Return text as it stands."""
    return f"```text\n{text}\n```\n"


def corpora() -> str:
    """Return data/README.md, whose links start elsewhere."""
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    return text.replace("](../", "](../../").replace("](../../docs/", "](../")


def package(name: str) -> str:
    """Return the page of a room of nmt/, each file in its own section."""
    files = sorted(path.stem for path in (ROOT / "nmt" / name).glob("[!_]*.py"))
    parts = [heading(f"nmt.{name}", "="), f".. automodule:: nmt.{name}\n"]
    for file in files:
        module = f"nmt.{name}.{file}"
        parts += [heading(module, "-"), f".. automodule:: {module}\n   :members:\n"]
    return "\n".join(parts)


def heading(title: str, line: str) -> str:
    """Return a heading of reStructuredText."""
    return f"{title}\n{line * len(title)}\n"
