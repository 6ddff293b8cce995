"""The pages: links lead somewhere, and the commands and options that they name can be typed."""

import re
import shlex
from pathlib import Path

import pytest
from choices import CONFIGS
from hydra import compose, initialize_config_dir

from nmt.attention.place import CHOICES, Place
from nmt.config.places import is_placed
from nmt.config.schema import register_schema
from nmt.config.words import as_choice
from nmt.experiment.build import build
from nmt.training.ranks import Ranks

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]*)\)|(?:href|src)=\"([^\"]*)\"")
CODE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub links to them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_within_the_repository_leads_somewhere(page):
    for link in map("".join, LINK.findall(page.read_text("utf-8"))):
        if ":" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_contents_list_every_page():
    """The site's navigation is made of them."""
    listed = re.findall(r"\((\S+\.md)\)", (ROOT / "docs" / "README.md").read_text("utf-8"))
    there = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert there <= set(listed), f"add to docs/README.md: {there - set(listed)}"


def test_every_term_of_the_glossary_has_a_file_and_options_that_exist():
    register_schema()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        arguments = (["model=rnn", "guide=gold"], ["model=transformer"])
        models = [compose("train", words) for words in arguments]
    _, *tables = (ROOT / "docs" / "glossary.md").read_text("utf-8").split("| --- |\n")
    for row in (row for table in tables for row in table.partition("\n\n")[0].splitlines()):
        *words, _, where = row.strip("| ").split(" | ")
        assert len(words) == 4, row
        assert re.search(r"\]\(\.\./nmt/[\w/]+\.py\)", where), row
        for part, key in re.findall(r"`(\w+)\.(\w+)`", where):
            known = (
                CHOICES
                if part in tuple(Place)
                else [one for cfg in models for one in cfg[part] or ()]
            )
            assert key in known, f"{part}.{key}"


def typed(page: str) -> list[str]:
    """Return the arguments of each `nmt train` command on a page, continued lines joined."""
    blocks = CODE.findall((ROOT / page).read_text("utf-8"))
    text = re.sub(r"\\\n *", "", "\n".join(blocks))
    return re.findall(r"^nmt train ([^#\n]*[^#\s])", text, re.MULTILINE)


# These need a run, a part of the user's own, an extra or a GPU, or are several runs.
ELSEWHERE = re.compile("resume=|from=|MyScore|=statistical|train.compile=|^-m ")
COMMANDS = [
    words
    for page in ("README.md", "docs/choices.md", "docs/places.md")
    for words in typed(page)
    if not ELSEWHERE.search(words)
]


@pytest.mark.parametrize("words", COMMANDS)
def test_the_commands_for_choices_can_be_typed(words):
    register_schema()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", [as_choice(word) for word in shlex.split(words)])
    build(cfg, Ranks())
    assert any(cfg[place] for place in Place) == any(map(is_placed, re.findall(r"\S+(?==)", words)))


def test_code_of_the_readme_is_not_cut_on_github():
    lines = "".join(CODE.findall((ROOT / "README.md").read_text("utf-8"))).splitlines()
    assert lines
    assert [line for line in lines if len(line) > 95] == []
