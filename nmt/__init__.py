"""Train, compare and understand attention in neural machine translation.

    >>> import nmt
    >>> model = nmt.load("runs/my-run")  # doctest: +SKIP
    >>> model.translate("Am Anfang war das Wort.")  # doctest: +SKIP
    'In the beginning was the Word.'

Importing the package is fast: torch is loaded when one of these names is used for the first time.
See docs/python.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt.api.attention import Attention, load_attention
    from nmt.api.comparing import Comparison, compare
    from nmt.api.model import Model, Translation, load, load_all
    from nmt.api.training import Run, train
    from nmt.errors import UserError
    from nmt.evaluation.score import Score

    __version__: str

__all__ = [
    "Attention",
    "Comparison",
    "Model",
    "Run",
    "Score",
    "Translation",
    "UserError",
    "__version__",
    "compare",
    "load",
    "load_all",
    "load_attention",
    "train",
]

PLACES = {
    "nmt.api.attention": ("Attention", "load_attention"),
    "nmt.api.comparing": ("Comparison", "compare"),
    "nmt.api.model": ("Model", "Translation", "load", "load_all"),
    "nmt.api.training": ("Run", "train"),
    "nmt.errors": ("UserError",),
    "nmt.evaluation.score": ("Score",),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "__version__":
        from nmt.runs.versions import version_of

        return version_of("nmt")
    for module, names in PLACES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(module), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *__all__})
