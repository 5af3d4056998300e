"""``.csv``: a header row, then a document a record."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, ClassVar

from ..document import Blank, Failure
from ..errors import FilesError
from ..naming import counted
from .base import MAX_TEXT, Source, document_or_failure
from .utf8 import check_utf8, numbered_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..document import Item

__all__ = ["CsvSource"]


class CsvSource(Source):
    """A comma-separated file. Ragged records fail by their line; the others go on."""

    __slots__ = ()
    has_columns: ClassVar[bool] = True

    def check(self) -> None:
        """The whole file is UTF-8, and its header has the columns that were asked for."""
        check_utf8(self.path, self.name)
        with self.path.open("rb") as stream:
            self._columns(_Records(numbered_lines(stream, self.name), self.name).header())

    def read(self) -> Iterator[Item]:
        """One document a record; its line is the one where the record begins."""
        with self.path.open("rb") as stream:
            records = _Records(numbered_lines(stream, self.name), self.name)
            header = records.header()
            text, identifier = self._columns(header)
            for record in records:
                if isinstance(record, str):
                    yield self._failure(records, record)
                elif not record:
                    yield Blank(records.size)
                elif len(record) != len(header):
                    fields = f"{counted(len(record), 'field')} where the header has {len(header)}"
                    yield self._failure(records, fields)
                else:
                    yield document_or_failure(
                        record[text],
                        identifier=None if identifier is None else record[identifier],
                        has_id=identifier is not None,
                        source=self.name,
                        line=records.line,
                        size=records.size,
                    )

    def _failure(self, records: _Records, reason: str) -> Failure:
        return Failure(
            id=None, source=self.name, line=records.line, reason=reason, size=records.size
        )

    def _columns(self, header: list[str]) -> tuple[int, int | None]:
        for column in self.columns.wanted:
            if header.count(column) == 1:
                continue
            if column in header:
                raise FilesError(f"{self.name} has more than one column {column!r}.")
            one = len(header) == 1 and any(mark in header[0] for mark in ";\t|")
            hint = " Only commas separate columns: is this another format?" if one else ""
            option = "--column" if column == self.columns.text else "--id"
            raise FilesError(
                f"{self.name} has no column {column!r}. Its columns: {', '.join(header)}. "
                f"Choose one with {option}.{hint}"
            )
        identifier = self.columns.id
        text = header.index(self.columns.text)
        return text, None if identifier is None else header.index(identifier)


class _Records:
    """The records of a csv file, with the line where each begins and the bytes it took.

    Iterating yields a list of fields, or a string: why there is no record.
    """

    def __init__(self, lines: Iterator[tuple[int, str, int]], name: str) -> None:
        # Process-wide, and only ever raised: the default refuses fields over 128 KiB.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_TEXT))
        self._name = name
        self._taken = 0
        self._reader = csv.reader(self._feed(lines), strict=True)
        self.line = 1
        self.size = 0

    def _feed(self, lines: Iterator[tuple[int, str, int]]) -> Iterator[str]:
        for _, text, size in lines:
            self._taken += size
            yield text

    def header(self) -> list[str]:
        """The first record.

        Raises:
            FilesError: when there is none.
        """
        first = next(iter(self), [])
        if isinstance(first, str) or not first:
            raise FilesError(f"{self._name}: line 1 is no header row with the columns' names.")
        return first

    def __iter__(self) -> Iterator[list[str] | str]:
        while True:
            before = self._taken
            self.line = self._reader.line_num + 1
            record: list[str] | str
            try:
                record = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                record = self._explain(error)
            self.size = self._taken - before
            yield record

    def _explain(self, error: csv.Error) -> str:
        reason = str(error)
        if "field larger" in reason:
            raise FilesError(
                f"{self._name}: the record at line {self.line} is longer than {MAX_TEXT:,} "
                "characters: is a quotation mark left open there?"
            )
        if "unexpected end of data" in reason:
            return "a quotation mark that is never closed: the rest of the file is in this record"
        return f"no valid CSV: {reason}"
