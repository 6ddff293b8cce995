"""Versions of packages, and of this program."""

import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DISTRIBUTIONS = {"nmt": "nmt-attention"}  # the name `nmt` on PyPI belongs to another project


def version_of(package: str) -> str:
    """Return a package's version; "not installed" for one that runs from its sources."""
    try:
        return version(DISTRIBUTIONS.get(package, package))
    except PackageNotFoundError:
        return "not installed"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages by their names."""
    return {package: version_of(package) for package in packages}


def commit() -> str | None:
    """Return the commit of the checkout that the program runs from.

    None: nmt is installed, or git is missing.
    """
    checkout, git = Path(__file__).parents[2], shutil.which("git")
    if git is None or not (checkout / ".git").exists():
        return None
    answer = subprocess.run(
        [git, "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or None
