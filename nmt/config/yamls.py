"""Where the yamls of the configuration are."""

from pathlib import Path


def config_folder() -> Path:
    """Return configs/, which lies inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"
