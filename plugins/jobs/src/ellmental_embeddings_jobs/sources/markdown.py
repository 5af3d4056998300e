"""``.md``: a document a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..document import Blank, Document
from ..errors import FilesError
from .base import MAX_TEXT, Source
from .utf8 import check_utf8, decode, without_mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..document import Item

__all__ = ["MarkdownSource"]


class MarkdownSource(Source):
    """A Markdown file: one document, cut at headings and paragraphs where it is too long."""

    __slots__ = ()

    def check(self) -> None:
        """The whole file is UTF-8, not empty, and short enough to be one text."""
        if (self.size or 0) > MAX_TEXT:
            raise FilesError(f"{self.name} is longer than {MAX_TEXT:,} bytes: is it one document?")
        check_utf8(self.path, self.name)

    def read(self) -> Iterator[Item]:
        """The file's text, unaltered but for a byte order mark."""
        raw = self.path.read_bytes()
        text = without_mark(decode(raw, self.name))
        if not text or text.isspace():
            yield Blank(len(raw))
            return
        yield Document(
            id=self.name, text=text, source=self.name, line=1, size=len(raw), markdown=True
        )
