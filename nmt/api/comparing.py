"""Comparing runs from Python."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.api.undisturbed import undisturbed
from nmt.commands.output import require_folder
from nmt.comparison.atlas import Atlas, Wish, atlas
from nmt.comparison.comparison import Comparison as Compared
from nmt.comparison.comparison import compare as compare_runs
from nmt.comparison.files import to_csv, to_json, to_markdown
from nmt.comparison.page import to_html
from nmt.comparison.plots import plots
from nmt.comparison.report import write_report
from nmt.comparison.runs import find_runs

Place = str | os.PathLike[str]


@dataclass(frozen=True)
class Comparison:
    """Runs that were compared, grouped into variants: runs that differ in their seed alone.

    In a notebook it shows the tables of the report.
    """

    found: Compared

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per variant.

        ``variant``, ``seeds``, ``measures`` (mean and deviation of each measure by name, such as
        ``bleu``), ``difference`` (of the mean BLEU from the baseline; None: this is the baseline),
        ``tests`` by score, ``runs``. docs/statistics.md explains the test.
        """
        return to_json(self.found)["variants"]

    @property
    def baseline(self) -> str:
        """The name of the variant that the others are tested against."""
        return self.found.baseline.name

    @property
    def p_values(self) -> dict[str, dict[str, float]]:
        """p by score and variant, corrected by Holm's method for all variants of a score.

        A variant that could not be tested is missing: ``rows`` say why.
        """
        return {score: dict(one.corrected) for score, one in self.found.tests.items()}

    def markdown(self) -> str:
        """Return the tables as Markdown."""
        return to_markdown(self.found, [])

    def csv(self) -> str:
        """Return one row per variant, with all numbers unrounded, as comma-separated values."""
        return to_csv(self.found)

    def html(self, sentences: int = 0, device: str = "auto", precision: str = "auto") -> str:
        """Return the report as one page of HTML.

        Args:
            sentences: how many sentences are shown with the attention of each variant. Their
                models are loaded for it.
            device, precision: as in :func:`nmt.load`.
        """
        with undisturbed():
            return to_html(self.found, plots(self.found), self._atlas(sentences, device, precision))

    def write(
        self, folder: Place, sentences: int = 0, device: str = "auto", precision: str = "auto"
    ) -> Path:
        """Write all files of ``nmt compare`` into a folder; return the path of ``index.html``.

        UserError for a run folder, whose files would be lost.
        """
        place = require_folder("folder", os.fspath(folder))
        with undisturbed():
            write_report(self.found, self._atlas(sentences, device, precision), place)
        return place / "index.html"

    def _atlas(self, sentences: int, device: str, precision: str) -> Atlas:
        shown = atlas(self.found, Wish([], sentences, device, precision))
        self.found.notes.extend(note for note in shown.notes if note not in self.found.notes)
        return shown

    def __str__(self) -> str:
        """Show the tables."""
        return self.markdown()

    def _repr_markdown_(self) -> str:
        return self.markdown()


def compare(
    runs: Place | Iterable[Place],
    baseline: str | None = None,
    *,
    allow: Iterable[str] = (),
    scores: Iterable[Place] = (),
) -> Comparison:
    """Compare runs, as ``nmt compare`` does.

    Args:
        runs: run folders, :class:`nmt.Run` objects, or folders that have runs below them.
        baseline: the name of the variant that the others are tested against, or one of its
            settings, such as ``none``; by default the first one.
        allow: settings in which the runs may differ though they should not, such as ``data``.
        scores: files with a score per sentence from outside, see docs/statistics.md.

    Raises:
        UserError: for a folder without runs, and for runs that cannot be compared.

    >>> table = nmt.compare(["runs/a", "runs/b"], baseline="none")  # doctest: +SKIP
    >>> table.p_values["bleu"]  # doctest: +SKIP
    {'bahdanau': 0.003}
    """
    places = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    with undisturbed():
        found = find_runs([Path(one) for one in places])
        return Comparison(compare_runs(found, baseline, list(allow), [Path(one) for one in scores]))
