"""The reference pages that docs/site makes of the code: each key and choice, with what it means."""

import re
from dataclasses import dataclass

import pages
import pytest
from docstrings import prepared
from keys import Key, comments, keys_of, typed
from omegaconf import OmegaConf

from nmt.catalog.choices import groups
from nmt.catalog.models import composed
from nmt.errors import UserError


def test_the_defaults_are_those_of_a_training_and_no_key_of_the_schema_is_missing():
    """Keys of the parts, such as attention.width, are on the page of choices."""
    cfg = composed([])
    rows = {key.name: key for key in pages.training_keys()}
    for name, key in rows.items():
        if not key.kind.startswith("["):
            assert key.default == typed(OmegaConf.select(cfg, name)), name
        assert key.meaning
        assert key.kind
    schema = {"tokenizer", "clean", "synthetic", "train", "decode"}
    assert rows.keys() >= {f"{part}.{key}" for part in schema for key in cfg[part]}
    assert rows.keys() >= {str(key) for key in cfg} - schema


def test_every_choice_has_a_section():
    page = pages.choices()
    headings = re.findall(r"^### `(.*)`$", page, re.MULTILINE)
    assert headings == [f"{group}={name}" for group, names in groups().items() for name in names]
    for row in (
        "| `attention.width` | a whole number or null | `null` |",
        "| `data.dev_chapters` | a whole number | `40` |",
        "| `optimizer.betas` | a list of numbers | `[0.9,0.98]` |",
    ):
        assert row in page
    assert "/schema/" not in page


def test_every_command_has_its_keys_and_its_help():
    page = pages.configuration()
    assert set(re.findall(r"^## nmt (.*)$", page, re.MULTILINE)) == {
        *pages.COMMANDS.keys() - {"show", "check-part", "completion"}  # no keys of their own
    }
    assert "| `threshold` | a number or null | `null` | link what has this weight" in page
    assert "evaluation/&lt;corpus>-&lt;split>" in page  # it would be HTML
    assert "nmt align run=RUN [data=CORPUS]" in pages.command_line()


@dataclass
class Part:
    """A part of the schema."""

    size: int | None = None  # pieces; null: all
    # What is done first, and
    # how often.
    rounds: list[int] | None = None  # or never
    bare: str = "a  # b"


def test_what_a_key_means_stands_behind_it_or_above_it():
    assert comments(Part)["size"] == "pieces; null: all"
    assert comments(Part)["rounds"] == "What is done first, and how often. or never"
    with pytest.raises(UserError, match=r"Part\.bare has no comment"):
        keys_of(Part)


def test_keys_have_types_and_defaults_as_they_are_typed():
    @dataclass
    class Small(Part):
        bare: str = ""  # text

    assert keys_of(Small, "small.", {"rounds": [1, 2]}) == [
        Key("small.size", "a whole number or null", "null", "pieces; null: all"),
        Key(
            "small.rounds",
            "a list of whole numbers or null",
            "[1,2]",
            "What is done first, and how often. or never",
        ),
        Key("small.bare", "text", "''", "text"),
    ]


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("(|Y|, *)", r"(\|Y\|, \*)"),
        ("``a|b`` and `c*d`", "``a|b`` and `c*d`"),
        (
            "First.\n\nquery:  (T,D)\nkeys, values: what\n        it had",
            "First.\n\nArgs:\n    query: (T,D)\n    keys, values: what\n            it had",
        ),
        ("config.yaml    settings\nends/          old", None),
        ("Args:\n    one: |x|", "Args:\n    one: \\|x\\|"),
    ],
)
def test_docstrings_are_read_as_they_are_meant(docstring, expected):
    found = prepared(docstring.splitlines())
    if expected is None:
        assert found == ["::", "", *(f"    {line}" for line in docstring.splitlines()), ""]
    else:
        assert found == expected.splitlines()
