"""Which versions of packages there are."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version


def version_of(package: str) -> str:
    """Return a package's version; one that runs from its sources alone has none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages by their names."""
    return {package: version_of(package) for package in packages}
