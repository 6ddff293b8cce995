"""The pages: what they link to is there, and the options that the glossary names can be typed."""

import re
from pathlib import Path

import pytest
from choices import CONFIGS
from hydra import compose, initialize_config_dir

from nmt.attention.place import CHOICES, Place
from nmt.config.schema import register_schema
from nmt.config.words import as_choice
from nmt.experiment.build import build
from nmt.training.ranks import Ranks

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]*)\)")


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub links to them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_within_the_repository_leads_somewhere(page):
    for link in LINK.findall(page.read_text("utf-8")):
        if ":" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_term_of_the_glossary_has_a_file_and_options_that_exist():
    register_schema()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        models = [compose("train", [f"model={model}"]) for model in ("rnn", "transformer")]
    rows = (ROOT / "docs" / "glossary.md").read_text("utf-8").split("| --- |\n")[-1].splitlines()
    for row in rows:
        *words, _, where = row.strip("| ").split(" | ")
        assert len(words) == 4, row
        assert re.search(r"\]\(\.\./nmt/[\w/]+\.py\)", where), row
        for part, key in re.findall(r"`(\w+)\.(\w+)`", where):
            known = (
                CHOICES if part in tuple(Place) else [one for cfg in models for one in cfg[part]]
            )
            assert key in known, f"{part}.{key}"


PLACES = re.findall("^nmt train (.*)$", (ROOT / "docs/places.md").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("words", PLACES)
def test_the_commands_for_places_can_be_typed(words):
    register_schema()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", [as_choice(word) for word in words.split()])
    build(cfg, Ranks())
    assert any(cfg[place] for place in Place)
