"""Which versions of packages there are."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTIONS = {"nmt": "nmt-attention"}  # the name `nmt` on PyPI belongs to another project


def version_of(package: str) -> str:
    """Return a package's version; "not installed" for one that runs from its sources alone."""
    try:
        return version(DISTRIBUTIONS.get(package, package))
    except PackageNotFoundError:
        return "not installed"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages by their names."""
    return {package: version_of(package) for package in packages}
