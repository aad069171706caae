"""The documentation as a site: `make docs`. The same pages read well on a code forge, so nothing in them is for Sphinx alone."""

from sphinx.application import Sphinx

project = "ukemi"
copyright = "the ukemi authors"  # noqa: A001 - Sphinx's name for it
extensions = ["myst_parser"]
root_doc = "README"
html_theme = "furo"
html_title = "ukemi"
html_show_sourcelink = False
myst_heading_anchors = 4  # links to headings, as code forges make them
suppress_warnings = ["myst.header"]  # pages may begin sections at any depth
highlight_language = "none"

_KINDS = {
    "Tutorial": ["tutorial/*"],
    "How-to": ["how-to/*", "observability/*"],
    "Reference": ["reference/*", "reference/conditions/*", "mission-status"],
    "Explanation": ["explanation/*"],
}


def _add_contents(_app: Sphinx, name: str, source: list[str]) -> None:
    """The side bar's table of contents; in the index itself it would be noise on a code forge."""
    if name == root_doc:
        for kind, pages in _KINDS.items():
            listed = "\n".join(pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {kind}\n\n{listed}\n```\n"


def _lead_in(app: Sphinx, failed: Exception | None) -> None:
    """Who opens the site at its root comes to the index, which is a page of its own name."""
    if failed is None:
        (app.outdir / "index.html").write_text('<!doctype html><meta http-equiv="refresh" content="0; url=README/">')


def setup(app: Sphinx) -> None:
    app.connect("source-read", _add_contents)
    app.connect("build-finished", _lead_in)
