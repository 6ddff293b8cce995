"""What the site makes of plain Markdown: a navigation, and links to files of the repository.

The pages have to read well where they are kept, so nothing in them is written for Sphinx alone.
"""

# pyright: reportMissingImports=false
import posixpath
import pydoc
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).resolve().parents[2]
CONTENTS = "README"  # docs/README.md, whose lists of links are the navigation
GENERATED = {
    "Reference": ("python", "configuration", "settings", "command-line", "corpora"),
}
DOCUMENTS = {"data/README.md": "reference/corpora"}  # pages that are kept elsewhere
LINK = re.compile(r"\]\(([\w/-]+)\.md\)")
TOCTREE = "\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"
FILE_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{up}/_static/pygments.css">
<link rel="stylesheet" href="{up}/_static/style.css">
<body class="file">
<p><a href="{up}/index.html">nmt</a> / {title}</p>
{code}
</body>
</html>
"""
FOUND = "repository_files"  # of the environment: {docname: files that it links to}


def add_navigation(app: Sphinx, docname: str, content: list[str]) -> None:
    """Make each part of the contents a part of the navigation."""
    if docname == "studies":
        content[0] += "\n```{toctree}\n:hidden:\n:glob:\n\nstudies/*\n```\n"
    if docname != CONTENTS:
        return
    opening, *parts = re.split(r"^## ", content[0], flags=re.MULTILINE)
    text = opening.split("<!-- site -->")[0]
    for part in parts:
        caption = part.partition("\n")[0]
        made = [f"reference/{name}" for name in GENERATED.get(caption, ())]
        text += f"## {part}" + "".join(f"- <project:{name}.md>\n" for name in made) + "\n"
        entries = "\n".join([*LINK.findall(part), *made])
        text += TOCTREE.format(caption=caption, entries=entries)
    content[0] = text


class RepositoryLinks(SphinxTransform):
    """Links to files outside of docs/ lead to pages of their own, with the file's text."""

    default_priority = 5  # before what is linked to is copied

    def apply(self, **kwargs: Any) -> None:
        """Replace the links of a document."""
        found = vars(self.env).setdefault(FOUND, {})
        found[self.env.docname] = set()
        links: list[Any] = list(self.document.findall(is_link))
        for link in links:
            file = repository_file(self.env.docname, link["reftarget"])
            if file is None:
                continue
            if file in DOCUMENTS:
                to = posixpath.relpath(DOCUMENTS[file], posixpath.dirname(self.env.docname) or ".")
                uri = f"{to}.html"
            else:
                found[self.env.docname].add(file)
                uri = page_of(self.env.docname, file)
            link.replace_self(nodes.reference("", "", *link.children, refuri=uri, internal=True))


def resolve(app: Sphinx, env: Any, node: addnodes.pending_xref, text: nodes.Element) -> Any:
    """Lead a reference to code that has no page here to its source; None: there is no such code."""
    target = re.sub(r"\(\)$", "", node.get("reftarget", ""))
    if node.get("refdomain") != "py" or not target.startswith("nmt."):
        return None
    if pydoc.locate(target) is None:
        return None
    module = target
    while source_file(module) is None and "." in module:
        module = module.rpartition(".")[0]
    file = source_file(module)
    if file is None:
        return text
    vars(env).setdefault(FOUND, {}).setdefault(node["refdoc"], set()).add(file)
    return nodes.reference("", "", text, refuri=page_of(node["refdoc"], file), internal=True)


KIND = "myst", None  # of a reference, and its domain


def is_link(node: Any) -> bool:
    """Tell whether a node is a link of Markdown to no page."""
    kinds = (addnodes.download_reference, addnodes.pending_xref)
    return isinstance(node, kinds) and (node.get("reftype"), node.get("refdomain")) == KIND


def repository_file(docname: str, target: str) -> str | None:
    """Return the file outside of docs/ that a link of a page leads to; None: another link."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(docname), target))
    if path.startswith((".", "docs/")) or not (ROOT / path).is_file():
        return None
    return path


def page_of(docname: str, file: str) -> str:
    """Return the address of a file's page, from another page."""
    return posixpath.relpath(f"files/{file}", posixpath.dirname(docname) or ".") + ".html"


def write_files(app: Sphinx, error: Exception | None) -> None:
    """Write a page for each file that is linked to, with numbered lines and without a sidebar."""
    if error is not None or app.builder.format != "html":
        return
    linked: dict[str, set[str]] = getattr(app.env, FOUND, {})
    formatter = HtmlFormatter(linenos="inline", anchorlinenos=True, lineanchors="L", wrapcode=True)
    for file in sorted(set().union(*linked.values())):
        page = Path(app.outdir) / "files" / f"{file}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        up = posixpath.relpath(".", posixpath.dirname(f"files/{file}"))
        code = highlight((ROOT / file).read_text(encoding="utf-8"), lexer_of(file), formatter)
        page.write_text(FILE_PAGE.format(title=file, up=up, code=code), encoding="utf-8")


def lexer_of(file: str) -> Any:
    """Return what knows the language of a file."""
    try:
        return get_lexer_for_filename(file)
    except ClassNotFound:
        return TextLexer()


def add_source(app: Sphinx, document: nodes.document) -> None:
    """Note the source files of what is documented from docstrings, so that they get pages."""
    for description in document.findall(addnodes.desc_signature):
        module = description.get("module")
        file = source_file(module) if module else None
        if file:
            vars(app.env).setdefault(FOUND, {}).setdefault(app.env.docname, set()).add(file)


def source_file(module: str) -> str | None:
    """Return the file of a module of nmt; None: it is a package."""
    file = f"{module.replace('.', '/')}.py"
    return file if (ROOT / file).is_file() else None


def remove_files(app: Sphinx, env: Any, docname: str) -> None:
    """Forget what a page linked to."""
    getattr(env, FOUND, {}).pop(docname, None)


def merge_files(app: Sphinx, env: Any, docnames: list[str], other: Any) -> None:
    """Take over what another process has read."""
    vars(env).setdefault(FOUND, {}).update(
        {name: files for name, files in getattr(other, FOUND, {}).items() if name in docnames}
    )


def index_page(app: Sphinx, error: Exception | None) -> None:
    """Put the contents where a browser looks for them."""
    if error is None and app.builder.format == "html":
        text = (Path(app.outdir) / f"{CONTENTS}.html").read_text(encoding="utf-8")
        (Path(app.outdir) / "index.html").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool | int]:
    """Connect all of it."""
    app.add_transform(RepositoryLinks)
    app.connect("source-read", add_navigation)
    app.connect("doctree-read", add_source)
    app.connect("missing-reference", resolve)
    app.connect("env-purge-doc", remove_files)
    app.connect("env-merge-info", merge_files)
    app.connect("build-finished", index_page)
    app.connect("build-finished", write_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
