"""``.txt``: a document a line; and standard input, read the same way."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar

from ..document import Blank, Document, Failure
from ..errors import FilesError
from .base import Source, reason_against
from .utf8 import check_utf8, numbered_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ..document import Item

__all__ = ["LinesSource", "StdinSource"]


class LinesSource(Source):
    """A text file whose lines are documents. Blank lines are passed over and counted."""

    __slots__ = ()
    has_columns: ClassVar[bool] = False

    def check(self) -> None:
        """The whole file is UTF-8 and not empty."""
        check_utf8(self.path, self.name)

    def read(self) -> Iterator[Item]:
        """One document a line, without its line end."""
        with self.path.open("rb") as stream:
            yield from _documents(stream, self.name)


class StdinSource(Source):
    """Standard input: cannot be checked beforehand, and has no known size."""

    __slots__ = ()

    @property
    def size(self) -> None:
        """Nobody knows."""
        return

    def check(self) -> None:
        """Nothing can be checked without using it up."""

    def read(self) -> Iterator[Item]:
        """One document a line, without its line end."""
        if sys.stdin is None:  # closed by whoever started the command
            raise FilesError("there is no standard input to read.")
        # Not sys.stdin's own buffer: a program that ends while a thread reads it dies of that.
        with open(sys.stdin.fileno(), "rb", closefd=False) as stream:
            yield from _documents(stream, self.name)


def _documents(stream: BinaryIO, name: str) -> Iterator[Item]:
    for number, line, size in numbered_lines(stream, name):
        text = line.removesuffix("\n").removesuffix("\r")
        if not text or text.isspace():
            yield Blank(size)
            continue
        place = f"{name}:{number}"
        reason = reason_against(text)
        if reason is None:
            yield Document(id=place, text=text, source=name, line=number, size=size)
        else:
            yield Failure(id=place, source=name, line=number, reason=reason, size=size)
