"""Fonts for every script: DejaVu comes with matplotlib, Noto with two packages of fonts.

Those packages are the extra `fonts`. Latin, Greek, Cyrillic, Arabic and Hebrew need none of them;
other scripts are drawn as the numbers of their characters without them, with a warning.
"""

import logging
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

FIRST = "DejaVu Sans"  # the one that is bold too
PACKAGES = ("noto_cjk_sans_jp_regular", "manimgx_fonts")
INSTALL = "pip install noto-cjk-sans-jp-regular manimgx-fonts"
log = logging.getLogger(__name__)


@cache
def families() -> list[str]:
    """Font families in the order in which matplotlib should look for a character.

    Latin, Greek and Cyrillic stay in DejaVu Sans; Han, kana and Hangul are in Noto Sans CJK, other
    scripts in Noto Sans of that script. The first call registers them with matplotlib.
    """
    found = [FIRST]
    for package in (one for one in PACKAGES if find_spec(one)):
        for file in sorted(files(package).iterdir(), key=str):
            if file.name.endswith((".otf", ".ttf")) and "Italic" not in file.name:
                fontManager.addfont(str(file))
                found.append(fontManager.ttflist[-1].name)
    return found


def heavy(text: str) -> dict[str, Any]:
    """The bold font of a text; not bold if that font lacks one of its characters."""
    if all(ord(c) in _charmap(FIRST) for c in text):
        return {"family": FIRST, "weight": "bold"}
    return {"family": families()}


@cache
def _charmap(name: str) -> frozenset[int]:
    """The code points that a font can draw."""
    return frozenset(get_font(findfont(FontProperties(family=name))).get_charmap())


@cache
def _covered() -> frozenset[int]:
    """The code points that one of the fonts can draw."""
    return frozenset().union(*map(_charmap, families()))


@cache
def _warn_once() -> None:
    """Name the packages of missing fonts, if one is not installed."""
    if not all(map(find_spec, PACKAGES)):
        log.warning(
            "pictures show some characters as numbers, because fonts are not installed: %s", INSTALL
        )


def drawable(text: str) -> str:
    """The text; a character that no font has is written as its number, never as an empty box."""
    if all(ord(c) in _covered() for c in text):
        return text
    _warn_once()
    return "".join(c if ord(c) in _covered() else f"‹{ord(c):X}›" for c in text)
