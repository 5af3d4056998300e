"""Where the links of Markdown pages lead, read as a repository host reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from markdown_it.token import Token

__all__ = ["Link", "dead_links", "links"]

_READER = (
    MarkdownIt("commonmark")
    .enable("table")
    .use(front_matter_plugin)
    .use(anchors_plugin, max_level=6)
)
"""Tables too, since links stand in them; headings get the anchors that repository hosts give."""


@dataclass(frozen=True)
class Link:
    """A link, or the address of an image, and the page that has it."""

    page: Path
    address: str

    @property
    def inside(self) -> bool:
        """Whether it leads to a file, and not to an address of the web."""
        return not urlsplit(self.address).scheme

    def trouble(self) -> str | None:
        """Why it leads nowhere, or None."""
        if not self.inside:
            return None
        parts = urlsplit(self.address)
        target = self.page.parent / unquote(parts.path) if parts.path else self.page
        if not target.exists():
            return f"{self.address}: there is no {target.name}"
        if parts.fragment and target.suffix == ".md" and parts.fragment not in _anchors(target):
            return f"{self.address}: {target.name} has no such heading"
        return None


def links(page: Path) -> list[Link]:
    """All links and images of a page, those in its tables too, those in its code not."""
    return [
        Link(page, str(address))
        for token in _tokens(page)
        if (address := token.attrGet("href") or token.attrGet("src"))
    ]


def dead_links(page: Path) -> list[str]:
    """What is wrong with a page's links."""
    return [trouble for link in links(page) if (trouble := link.trouble())]


def _anchors(page: Path) -> set[str]:
    return {str(token.attrGet("id")) for token in _tokens(page) if token.type == "heading_open"}


def _tokens(page: Path) -> Iterator[Token]:
    for token in _READER.parse(page.read_text("utf-8")):
        yield token
        yield from token.children or ()
