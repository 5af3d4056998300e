"""The documentation as a site: Sphinx reads the same Markdown that a repository host shows.

python -m sphinx -W --keep-going -n docs build/site      every doubt is an error

docs/README.md is the only index. Its headings and lists are the navigation, so that no page needs
a directive that a repository host would show as code.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "eLLMental embedding generators"
root_doc = "README"
extensions = ["myst_parser"]
exclude_patterns = ["**/.*", "**/build", "**/dist"]

myst_heading_anchors = 4
"""Headings down to this level can be linked to, by the anchors that repository hosts make."""

highlight_language = "none"
"""Of code that is set off by blanks alone: the signatures of the reference."""

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_use_index = False

_HEADING = re.compile(r"^##(#?) (.+)$")
_ENTRY = re.compile(r"^- \[([^]]+)\]\(([^):]+)\.md\)")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _name_it_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _add_navigation(_: Sphinx, page: str, source: list[str]) -> None:
    """Give the index, as Sphinx reads it, a hidden table of contents for each of its lists."""
    if page == root_doc:
        source[0] += "".join(
            f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"
            for caption, entries in _navigation(source[0])
        )


def _navigation(index: str) -> list[tuple[str, str]]:
    """Each list of the index: what it is called in the navigation, and its pages."""
    room, caption, lists = "", "", dict[str, list[str]]()
    for line in index.splitlines():
        if heading := _HEADING.match(line):
            room = room if heading[1] else heading[2]
            caption = f"{room}: {heading[2][0].lower()}{heading[2][1:]}" if heading[1] else room
        elif entry := _ENTRY.match(line):
            lists.setdefault(caption, []).append(f"{entry[1]} <{entry[2]}>")
    return [(caption, "\n".join(entries)) for caption, entries in lists.items()]


def _name_it_index(app: Sphinx, error: Exception | None) -> None:
    """Web servers look for index.html; the search knows the page by its file's name."""
    if error is None and app.builder.format == "html":
        shutil.copyfile(Path(app.outdir, "README.html"), Path(app.outdir, "index.html"))
