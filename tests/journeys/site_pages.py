"""The documentation as a site: how it is built, and what a browser would load to show a page."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from documentation import ROOT

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Page", "build", "loaded_by_styles"]

_STRICT = ("-W", "--keep-going", "-n", "-q", "--no-color")
_LOADED = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "video": ("src", "poster"),
}
_NOT_LOADED = {"index", "search", "next", "prev", "canonical", "author", "license", "alternate"}
"""What a ``<link>`` may be without a browser asking for it; every other kind counts as loaded."""
_IN_STYLES = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


def build(source: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """Build a site as docs/how-to/documentation.md says: every warning is an error."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-q",
            "-n",
            "-W",
            "--keep-going",
            "--no-color",
            str(source),
            str(into),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def loaded_by_styles(text: str) -> list[str]:
    """What a style sheet loads."""
    found = [match[1] or match[2] for match in _IN_STYLES.finditer(text)]
    return [address for address in found if not address.startswith(("data:", "#"))]


class Page(HTMLParser):
    """A page as a browser sees it.

    Attributes:
        loaded: the addresses that it loads by itself.
        linked: the addresses that a reader may go to.
        captions: what the lists of the navigation are called.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.captions: list[str] = []
        self._inside = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        given = {name: value or "" for name, value in attrs}
        self._inside = tag if tag == "style" else given.get("class", "")
        self.loaded += [given[name] for name in _LOADED.get(tag, ()) if name in given]
        self.loaded += loaded_by_styles(given.get("style", ""))
        if tag == "a":
            self.linked.append(given.get("href", ""))
        elif tag == "link" and not set(given.get("rel", "").lower().split()) & _NOT_LOADED:
            self.loaded.append(given.get("href", ""))

    def handle_data(self, data: str) -> None:
        """Called by the parser."""
        if self._inside == "style":
            self.loaded += loaded_by_styles(data)
        elif self._inside == "caption-text":
            self.captions.append(data)
        self._inside = "" if self._inside != "style" else self._inside
