"""The one exception that is meant for the person at the keyboard, and when numbers raise it."""

from collections.abc import Mapping


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message names the file, line, key or value and the way out. Commands print it without a
    traceback and exit with code 1; every other exception is a bug of ours and keeps its traceback.
    """


def at_least(least: float, settings: Mapping[str, float | None]) -> None:
    """Raise UserError for the first of the settings, by key, that is smaller; null passes."""
    for key, value in settings.items():
        if value is not None and not value >= least:  # nan is refused too
            raise UserError(f"{key}={value}: must be at least {least:g}")


def at_most(most: float, settings: Mapping[str, float | None]) -> None:
    """Raise UserError for the first of the settings, by key, that is larger; null passes."""
    for key, value in settings.items():
        if value is not None and not value <= most:
            raise UserError(f"{key}={value}: must be at most {most:,}")


def above_zero(settings: Mapping[str, float | None]) -> None:
    """Raise UserError for the first of the settings, by key, that is 0 or negative; null passes."""
    for key, value in settings.items():
        if value is not None and not value > 0:
            raise UserError(f"{key}={value}: must be above 0")


def share(settings: Mapping[str, float]) -> None:
    """Raise UserError for the first of the settings, by key, that is not from 0 to below 1."""
    for key, value in settings.items():
        if not 0 <= value < 1:
            raise UserError(f"{key}={value}: must be from 0 to below 1")


def one_of(known: tuple[str, ...], settings: Mapping[str, str]) -> None:
    """Raise UserError for the first of the settings, by key, whose value is not among the known."""
    for key, value in settings.items():
        if value not in known:
            raise UserError(f"{key}={value}: choose one of {', '.join(known)}")
