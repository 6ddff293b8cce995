"""nmt completion: what a shell offers at the Tab key, and the script that asks for it.

A person waits at every Tab, so nothing large is imported: choices are the names of yamls, keys are
read from yamls and from the source of the schema.
"""

import ast
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from nmt.commands.help import COMMANDS, TOPICS, command_help, names
from nmt.commands.last import ASKING, LAST, RUNS, SAMPLE
from nmt.config.yamls import config_folder
from nmt.terminal.console import tell

CHOICES = tuple(group for groups in TOPICS.values() for group in groups)
# Where the keys are whose types are fixed: file and class below nmt/.
FIXED = {
    "train": ("config/schema.py", "Train"),
    "decode": ("decoding/decode.py", "Decode"),
    "tokenizer": ("data/tokenizer.py", "TokenizerConfig"),
    "clean": ("data/clean.py", "Clean"),
    "synthetic": ("data/synthetic.py", "Synthetic"),
}
MOST = 20  # run folders that are offered, the newest first

SCRIPTS = {
    # bash cuts words at = and :, and replaces only what is behind the last of these.
    "bash": """\
_nmt() {
    local line=${COMP_LINE:0:COMP_POINT} IFS=$'\\n'
    local word=${line##* }
    local kept=${word%"${word##*[=:]}"}
    COMPREPLY=($(nmt completion words "$line"))
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=./] ]]; then compopt -o nospace; fi
    COMPREPLY=("${COMPREPLY[@]#"$kept"}")
}
complete -o default -F _nmt nmt""",
    "zsh": """\
_nmt() {
    local -a found
    found=("${(@f)$(nmt completion words "${(j: :)words[1,CURRENT]}")}")
    if [[ -z $found ]]; then _files; return; fi
    compadd -Q -S '' -- "${(@M)found:#*[=./]}"
    compadd -Q -- "${(@)found:#*[=./]}"
}
compdef _nmt nmt""",
    "fish": """\
complete -c nmt -f -a '(nmt completion words (commandline -cp))'
complete -c nmt -F -n 'test -z "$(nmt completion words (commandline -cp))"'""",
}


def main() -> None:
    """Run `nmt completion`: print a script, or for it the words that complete a line."""
    shell, *line = sys.argv[2:] or [""]
    if shell == "words" and len(line) == 1:
        print("\n".join(completions(line[0])))
    elif shell in SCRIPTS and not line:
        print(SCRIPTS[shell])
    elif shell in ("-h", "--help"):
        print(command_help("completion"))
    else:
        tell("which shell? nmt completion bash, zsh or fish; see nmt completion --help")
        sys.exit(2)


def completions(line: str) -> list[str]:
    """Return what the last word of a command line may become; nothing: a file, or anything."""
    _, *words = line.split(" ")
    *before, word = words or [""]
    command = next(iter(before), None)
    if command is None:
        offered: list[str] = [*COMMANDS, "--help", "--version"]
    elif word.startswith("-"):
        offered = [
            "--help",
            *(("--multirun", "--cfg", "--config-dir") if command == "train" else ()),
        ]
    else:
        offered = list(words_of(command, word))
    return sorted({one for one in offered if one.startswith(word)})


def words_of(command: str, word: str) -> Iterator[str]:
    """Yield what a command can be given where a word begins like this."""
    key, equals, value = word.partition("=")
    group = key.lstrip("+").partition("@")[0]
    if equals:
        *first, _ = value.split(",")  # a sweep names several
        for one in values(command, group):
            yield f"{key}={','.join([*first, one])}"
        return
    if command == "completion":
        yield from SCRIPTS
    elif command == "show":
        yield from CHOICES
        yield from (f"{group}=" for group in CHOICES)
    elif command == "study":
        yield from names("study")
    elif command in ("compare", "explore"):
        yield from runs()
    yield from (f"{key}=" for key in keys(command))


def values(command: str, key: str) -> Iterator[str]:
    """Yield the values of a key that are known: choices, runs, true and false."""
    last = key.rpartition(".")[2]
    if key in ASKING:
        yield from runs()
    elif last in CHOICES and "." in key and last in TOPICS["Attention"]:
        yield from names(last)
    elif key in CHOICES:
        yield from names(key)
    elif default(key) in ("true", "false") or key in helped(command, "true"):
        yield from ("true", "false")


def keys(command: str) -> Iterator[str]:
    """Yield the keys of a command: those that its help names, and all that belong to its parts."""
    told = helped(command)
    yield from told
    trains = command in ("train", "bench")
    if trains:
        yield from CHOICES
    for part, (file, name) in FIXED.items():
        if trains or f"{part}.beam" in told:
            yield from (f"{part}.{key}" for key in fields(file, name))
    for group in CHOICES if trains else ():
        for name in names(group) if group != "experiment" else ():
            yield from (f"{group}.{key}" for key in settings(group, name))


def helped(command: str, value: str = "") -> set[str]:
    """Return the keys in the help of a command, those alone that have a value."""
    text = command_help(command) if command in COMMANDS else ""
    found = re.findall(rf"(?<![\w.</])((?:\w+\.)*[a-z_]\w*)={value}", text)
    return set(found) - {"cross.2.sink", "job.value"}


@cache
def settings(group: str, name: str) -> dict[str, str]:
    """Return the keys of a yaml of configs/ that hold one value."""
    content = yaml.safe_load((config_folder() / group / f"{name}.yaml").read_text(encoding="utf-8"))
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in (content or {}).items()
        if key.isidentifier()
        and not key.startswith("_")
        and not isinstance(value, list | dict)
        and "${" not in str(value)
    }


@cache
def fields(file: str, name: str) -> dict[str, str]:
    """Return the fields of a dataclass with their defaults, as its source has them."""
    source = (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
    node = next(
        one for one in ast.parse(source).body if isinstance(one, ast.ClassDef) and one.name == name
    )
    return {
        one.target.id: ast.unparse(one.value).lower() if one.value else ""
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }


def default(key: str) -> str:
    """Return the default of a key that some choice has; empty: it is not known."""
    part, _, name = key.partition(".")
    if part in FIXED:
        return fields(*FIXED[part]).get(name, "")
    found = (settings(part, one) for one in (names(part) if part in CHOICES else ()))
    return next((one[name] for one in found if name in one), "")


def runs() -> list[str]:
    """Return names of runs: last, sample, and the newest folders below runs/."""
    found: list[tuple[float, str]] = []
    for place, folders, files in os.walk(RUNS):
        if "config.yaml" in files:
            found.append((os.stat(f"{place}/config.yaml").st_mtime, place))
            folders.clear()
    return [LAST, SAMPLE, *(place for _, place in sorted(found, reverse=True)[:MOST])]
