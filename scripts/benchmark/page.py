"""Markdown files with places for tables."""

import sys
from pathlib import Path

from nmt.runs.files import write


def fill(path: Path, mark: str, content: str) -> None:
    """Put text between `<!-- mark -->` and `<!-- /mark -->`. SystemExit where they are not."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        sys.exit(f"{path} has no {begin} … {end} to fill")
    write(path, f"{before}{begin}\n{content}\n{end}{after}")
