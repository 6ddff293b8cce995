"""The site: `make docs` builds it out of docs/*.md and of the code, for a browser, without network.

https://www.sphinx-doc.org/en/master/usage/configuration.html
"""

# pyright: reportMissingImports=false
import inspect
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import pages  # noqa: E402
import repository  # noqa: E402
from docstrings import prepared  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402

project = "nmt"
html_title = "nmt"
root_doc = repository.CONTENTS
exclude_patterns = ["site", "notebooks"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "sphinx.ext.napoleon",
    "repository",
]

# Headings have the anchors that GitHub gives them.
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]

# Every reference is checked; what other projects document is not at hand without network.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:\w+", r"(?s)(?!nmt\.).*"),
]
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
maximum_signature_line_length = 80
python_use_unqualified_type_names = True

html_theme = "furo"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"


def prepare(app: Sphinx, what: str, name: str, it: Any, options: Any, lines: list[str]) -> None:
    """Make reStructuredText of a docstring."""
    lines[:] = prepared(lines)


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Return the page and line of the source of something documented."""
    found: Any = import_module(info["module"])
    for name in info["fullname"].split("."):
        found = getattr(found, name, None)
    module = getattr(found, "__module__", None) or info["module"]
    file = repository.source_file(module)
    if file is None or info["module"].count(".") < 2:
        return None
    try:
        _, line = inspect.getsourcelines(inspect.unwrap(found))
    except (TypeError, OSError):
        return None
    return f"{repository.page_of('reference/api/any', file)}#L-{line}"


def setup(app: Sphinx) -> None:
    """Write the reference pages, and connect what reads docstrings before napoleon does."""
    pages.write(Path(app.srcdir) / "reference")
    app.connect("autodoc-process-docstring", prepare, priority=400)
