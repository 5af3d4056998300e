"""What every format of input has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..document import Blank, Document, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..document import Item

__all__ = ["MAX_TEXT", "Columns", "Source", "checked_id", "document_or_failure", "reason_against"]

MAX_TEXT = 64 * 1024 * 1024
"""Bytes of the longest text that is taken: what one text may cost in memory."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns are read of the formats that have any.

    Attributes:
        text: the texts' column.
        id: the ids' column, or None where the id is to be the row's place.
    """

    text: str = "text"
    id: str | None = None

    @property
    def wanted(self) -> list[str]:
        """Both names, or the one."""
        return [self.text] if self.id is None else [self.text, self.id]


@dataclass(frozen=True, slots=True)
class Source(ABC):
    """One file of input.

    Attributes:
        path: where it is.
        name: how it is called in rows and messages: the path as given, with forward slashes.
        columns: which columns to read; formats without columns do not look at it.
    """

    has_columns: ClassVar[bool] = False

    path: Path
    name: str
    columns: Columns

    @property
    def size(self) -> int | None:
        """Bytes to read; None where that cannot be known (standard input)."""
        return self.path.stat().st_size

    @abstractmethod
    def check(self) -> None:
        """Make sure, before anything is paid for, that the whole file can be read.

        Raises:
            FilesError: naming the file, the place in it, and the remedy.
            OSError: when the file cannot be opened or read.
        """

    @abstractmethod
    def read(self) -> Iterator[Item]:
        """Yield what the file holds, in order, holding one text (or a few rows) at a time.

        Raises:
            FilesError: when the file is not what ``check`` found any more.
            OSError: when it cannot be read.
        """


def reason_against(text: object) -> str | None:
    """Why this cannot be embedded, or None."""
    if text is None:
        return "no text (null)"
    if not isinstance(text, str):
        return f"not a text but {type(text).__name__}: {str(text)[:40]}"
    if not text or text.isspace():
        return "blank text"
    if len(text) > MAX_TEXT:
        return f"longer than {MAX_TEXT:,} characters"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        return f"a lone surrogate (U+{code:04X}) at character {error.start}, no valid Unicode"
    return None


def checked_id(value: object) -> str | None:
    """The id as a string, or None where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    identifier = str(value)
    return identifier if reason_against(identifier) is None else None


def document_or_failure(
    text: object, *, identifier: object, has_id: bool, source: str, line: int, size: int
) -> Document | Failure:
    """One row of a format with columns: a document, or why it is none.

    Args:
        text: what stands in the text column, of whatever type.
        identifier: what stands in the id column.
        has_id: True where an id column was asked for; else the id is the place.
        source: name of the file.
        line: line or row, counted from 1.
        size: bytes of the file that the row took.
    """
    own = checked_id(identifier) if has_id else f"{source}:{line}"
    reason = reason_against(text)
    if reason is None and own is None:
        reason = f"no usable id: {str(identifier)[:40]!r}"
    if reason is not None or own is None or not isinstance(text, str):
        return Failure(id=own, source=source, line=line, reason=str(reason), size=size)
    return Document(id=own, text=text, source=source, line=line, size=size)


def blank(size: int) -> Blank:
    """A line with nothing in it."""
    return Blank(size)
