"""A document as one self-contained page of HTML, for the disk or a frame in a notebook.

Its content security policy forbids loading anything. Text is in it as JSON with escaped ``<``, and
the script shows it as text.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from nmt.report.palette import properties
from nmt.runs.files import finite

FOLDER = Path(__file__).parent
SCRIPT, STYLE = "attention.js", "attention.css"
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
LIVE_POLICY = f"{POLICY}; connect-src 'self'"  # of a page that asks its own server
TITLE = "Attention"
PAGE = (
    ":root { color-scheme: light dark; }\n"
    "@media (prefers-color-scheme: dark) { body { background: #181a1e; color: #e4e4e4; } }\n"
)
WITHOUT_SCRIPT = "This page shows attention weights with JavaScript, which is switched off."


@cache
def source(name: str) -> str:
    """Return the script or the style."""
    return (FOLDER / name).read_text(encoding="utf-8")


def style() -> str:
    """Return the style, with the colours of all figures."""
    return properties() + source(STYLE)


def page(
    document: dict[str, Any], without_script: str = WITHOUT_SCRIPT, policy: str = POLICY
) -> str:
    """Return a document as a page; ``without_script`` is HTML for browsers without scripts."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{TITLE}</title>\n<style>\n{PAGE}{style()}</style></head>\n"
        f"<body><noscript>{without_script}</noscript>\n{embedded(document)}</body></html>\n"
    )


def embedded(document: dict[str, Any], name: str = "explorer") -> str:
    """Return the elements that show a document, for a page that has the style."""
    return (
        f'<div id="{name}"></div>\n'
        f'<script type="application/json" id="{name}-data">{as_json(document)}</script>\n'
        f'<script type="module">\n{source(SCRIPT)}\n'
        f'explore(document.getElementById("{name}"), '
        f'JSON.parse(document.getElementById("{name}-data").textContent));\n</script>\n'
    )


def as_json(document: dict[str, Any]) -> str:
    """Return JSON that cannot end an element or begin a comment of HTML."""
    text = json.dumps(finite(document), ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
