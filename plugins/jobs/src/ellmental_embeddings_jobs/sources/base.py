"""What every format of input has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..document import Document, Failure
from ..errors import FilesError
from .inference import fitted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ..document import Item
    from .streams import Compression

__all__ = ["MAX_TEXT", "Columns", "Source", "Unusable", "checked_id", "reason_against"]

MAX_TEXT = 64 * 1024 * 1024
"""Bytes of the longest text that is taken: what one text may cost in memory."""


class Unusable(FilesError):
    """A file that is not what it was taken for: it may be passed over, the others are read."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns are read of the formats that have any.

    Attributes:
        text: the texts' column.
        id: the ids' column, or None where the id is to be the row's place.
        keep: columns that go into the dataset as they are.
        types: Arrow types of the kept columns, once they are known for all sources.
    """

    text: str = "text"
    id: str | None = None
    keep: tuple[str, ...] = ()
    types: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def wanted(self) -> list[str]:
        """Every name once."""
        names = [self.text, *([] if self.id is None else [self.id]), *self.keep]
        return list(dict.fromkeys(names))

    def option(self, name: str) -> str:
        """Which option names a column."""
        if name == self.text:
            return "--column"
        return "--id" if name == self.id else "--keep"

    def require(self, source: str, there: list[str]) -> None:
        """Make sure that a source has each of them once.

        Raises:
            Unusable: naming the column that is missing, and those that are there.
        """
        for name in self.wanted:
            if there.count(name) == 1:
                continue
            if name in there:
                raise Unusable(f"{source} has more than one column {name!r}.")
            raise Unusable(
                f"{source} has no column {name!r}. Its columns: {', '.join(map(repr, there))}. "
                f"Choose one with {self.option(name)}."
            )


@dataclass(frozen=True, slots=True)
class Source(ABC):
    """One file of input, or standard input.

    Attributes:
        path: where it is.
        name: how it is called in rows and messages: the path as given, with forward slashes.
        columns: which columns to read; formats without columns do not look at it.
        compression: how the file is packed, or None.
        once: True for standard input, which can be read once only.
        stops: True where the first row that cannot be read ends everything.
        query: what is asked of a database.
    """

    has_columns: ClassVar[bool] = False
    is_database: ClassVar[bool] = False
    may_be_packed: ClassVar[bool] = True
    unit: ClassVar[str] = "line"

    path: Path
    name: str
    columns: Columns
    compression: Compression | None = None
    once: bool = False
    stops: bool = False
    query: str | None = None

    @property
    def size(self) -> int | None:
        """Bytes to read; None where that cannot be known."""
        return None if self.once else self.path.stat().st_size

    @abstractmethod
    def check(self) -> None:
        """Make sure, before anything is paid for, that the file is what it is taken for.

        Raises:
            Unusable: naming the file, the place in it, and the remedy.
            OSError: when the file cannot be opened or read.
        """

    @abstractmethod
    def items(self) -> Iterator[Item]:
        """Yield what the file holds, in order, holding one text (or a few rows) at a time.

        Raises:
            FilesError: when the file is damaged.
            OSError: when it cannot be read.
        """

    def fields(self) -> list[Any]:
        """Arrow fields of the kept columns, as far as the source has them."""
        return []

    def read(self) -> Iterator[Item]:
        """As ``items``; kept values have the types of ``columns.types``.

        Raises:
            FilesError: when the file is damaged, or a row cannot be read and ``stops`` is set.
            OSError: when it cannot be read.
        """
        types = self.columns.types
        for item in self.items():
            if self.stops and isinstance(item, Failure):
                raise FilesError(f"{self.name}: {self.unit} {item.line}: {item.reason}")
            if types and isinstance(item, Document):
                kept = {name: fitted(item.kept.get(name), kind) for name, kind in types.items()}
                yield replace(item, kept=kept)
            else:
                yield item

    def row(
        self,
        text: object,
        *,
        identifier: object,
        line: int,
        size: int,
        kept: Mapping[str, object] | None = None,
    ) -> Document | Failure:
        """One row of a format with columns: a document, or why it is none.

        Args:
            text: what stands in the text column, of whatever type.
            identifier: what stands in the id column; not looked at where none was asked for.
            line: line or row, counted from 1.
            size: bytes of the file that the row took.
            kept: the kept columns' values.
        """
        has_id = self.columns.id is not None
        own = checked_id(identifier) if has_id else f"{self.name}:{line}"
        reason = reason_against(text)
        if reason is None and own is None:
            reason = f"no usable id: {str(identifier)[:40]!r}"
        if reason is not None or own is None or not isinstance(text, str):
            return self.failure(line, str(reason), size, own)
        return Document(id=own, text=text, source=self.name, line=line, size=size, kept=kept or {})

    def failure(
        self, line: int, reason: str, size: int = 0, identifier: str | None = None
    ) -> Failure:
        """A row that cannot be read."""
        return Failure(id=identifier, source=self.name, line=line, reason=reason, size=size)


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
