"""``.md``, and with ``--per-file`` ``.txt``: a document a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ..document import Blank, Document
from .base import MAX_TEXT, Source
from .streams import open_stream
from .utf8 import BadLine, check_text, decode, without_mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..document import Item

__all__ = ["FileSource", "MarkdownSource"]


class FileSource(Source):
    """A text file that is one document, cut at paragraphs where it is too long."""

    __slots__ = ()
    markdown: ClassVar[bool] = False

    def check(self) -> None:
        """The file is text, and not empty."""
        check_text(self)

    def items(self) -> Iterator[Item]:
        """The file's text, unaltered but for a byte order mark."""
        with open_stream(self) as stream:
            raw = stream.read(MAX_TEXT + 1)
            size = stream.taken(len(raw))
        if len(raw) > MAX_TEXT:
            reason = f"longer than {MAX_TEXT:,} bytes: is it one document?"
            yield self.failure(1, reason, self.size or size, self.name)
            return
        text = without_mark(decode(raw, self.name))
        if isinstance(text, BadLine):
            line = raw[: _bad_byte(raw)].count(b"\n") + 1
            yield self.failure(line, text.reason, size, self.name)
        elif not text or text.isspace():
            yield Blank(size)
        else:
            yield Document(
                id=self.name,
                text=text,
                source=self.name,
                line=1,
                size=size,
                whole=True,
                markdown=self.markdown,
            )


class MarkdownSource(FileSource):
    """A Markdown file: cut at headings as well."""

    __slots__ = ()
    markdown: ClassVar[bool] = True


def _bad_byte(raw: bytes) -> int:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return len(raw)
