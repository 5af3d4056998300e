"""``.txt``: a document a line; and standard input, read the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..document import Blank, Document
from .base import Source, reason_against
from .streams import open_stream
from .utf8 import BadLine, check_text, numbered_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..document import Item

__all__ = ["LinesSource"]


class LinesSource(Source):
    """A text file whose lines are documents. Blank lines are passed over and counted."""

    __slots__ = ()

    def check(self) -> None:
        """The file is text, and not empty."""
        check_text(self)

    def items(self) -> Iterator[Item]:
        """One document a line, without its line end."""
        with open_stream(self) as stream:
            for number, line, size in numbered_lines(stream, self.name):
                place = f"{self.name}:{number}"
                if isinstance(line, BadLine):
                    yield self.failure(number, line.reason, size, place)
                    continue
                text = line.removesuffix("\n").removesuffix("\r")
                if not text or text.isspace():
                    yield Blank(size)
                elif reason := reason_against(text):
                    yield self.failure(number, reason, size, place)
                else:
                    yield Document(id=place, text=text, source=self.name, line=number, size=size)
