"""``.csv`` and ``.tsv``: a header row, then a document a record."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, ClassVar

from ..document import Blank
from ..errors import FilesError
from ..naming import counted
from .base import MAX_TEXT, Source, Unusable
from .streams import open_stream
from .utf8 import BadLine, check_text, numbered_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..document import Item

__all__ = ["CsvSource", "TsvSource"]


class CsvSource(Source):
    """A comma-separated file. Ragged records fail by their line; the others go on."""

    __slots__ = ()
    has_columns: ClassVar[bool] = True
    delimiter: ClassVar[str] = ","

    def check(self) -> None:
        """It is text, and its header has the columns that were asked for."""
        check_text(self)
        with open_stream(self) as stream:
            lines = numbered_lines(stream, self.name)
            self._require(_Records(lines, self.name, self.delimiter).header())

    def fields(self) -> list[Any]:
        """Strings: the format knows nothing else."""
        import pyarrow as pa

        return [pa.field(name, pa.string()) for name in self.columns.keep]

    def items(self) -> Iterator[Item]:
        """One document a record; its line is the one where the record begins."""
        with open_stream(self) as stream:
            records = _Records(numbered_lines(stream, self.name), self.name, self.delimiter)
            header = records.header()
            self._require(header)
            text = header.index(self.columns.text)
            identifier = None if self.columns.id is None else header.index(self.columns.id)
            keep = [(name, header.index(name)) for name in self.columns.keep]
            for record in records:
                if isinstance(record, str):
                    yield self.failure(records.line, record, records.size)
                elif not record:
                    yield Blank(records.size)
                elif len(record) != len(header):
                    fields = f"{counted(len(record), 'field')} where the header has {len(header)}"
                    yield self.failure(records.line, fields, records.size)
                else:
                    yield self.row(
                        record[text],
                        identifier=None if identifier is None else record[identifier],
                        line=records.line,
                        size=records.size,
                        kept={name: record[place] for name, place in keep},
                    )

    def _require(self, header: list[str]) -> None:
        try:
            self.columns.require(self.name, header)
        except Unusable as error:
            hint = _hint(header[0], self.columns.wanted, self.name) if len(header) == 1 else ""
            if not hint:
                raise
            raise Unusable(f"{error.message.partition(' Choose ')[0]} {hint}") from None


class TsvSource(CsvSource):
    """The same with tabs."""

    __slots__ = ()
    delimiter: ClassVar[str] = "\t"


_MARKS = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "vertical bars"}
_READ_AS = {"\t": "tsv", ",": "csv"}


def _hint(header: str, wanted: list[str], name: str) -> str:
    """What separates a header that has all columns in one, and the way out; else nothing."""
    for mark, called in _MARKS.items():
        if mark not in header:
            continue
        fields = next(csv.reader([header], delimiter=mark))
        has = "; read so, it has that column" if set(wanted) <= set(fields) else ""
        said = f"It seems to be separated by {called}{has}: "
        if mark in _READ_AS:
            return f"{said}say --format {_READ_AS[mark]}."
        write = f"csv.writer(sys.stdout).writerows(csv.reader(sys.stdin, delimiter='{mark}'))"
        return f'{said}convert it: python3 -c "import csv, sys; {write}" < {name} > converted.csv'
    return ""


class _Records:
    """The records of a csv file, with the line where each begins and the bytes it took.

    Iterating yields a list of fields, or a string: why there is no record.
    """

    def __init__(self, lines: Iterator[tuple[int, str, int]], name: str, delimiter: str) -> None:
        # Process-wide, and only ever raised: the default refuses fields over 128 KiB.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_TEXT))
        self._name = name
        self._taken = 0
        self._bad: list[str] = []
        self._reader = csv.reader(self._feed(lines), strict=True, delimiter=delimiter)
        self.line = 1
        self.size = 0

    def _feed(self, lines: Iterator[tuple[int, str, int]]) -> Iterator[str]:
        for number, text, size in lines:
            self._taken += size
            if isinstance(text, BadLine):
                inside = "" if number == self.line else f"line {number}, "
                self._bad.append(inside + text.reason)
            yield str(text)

    def header(self) -> list[str]:
        """The first record.

        Raises:
            Unusable: when there is none.
        """
        for first in self:
            if isinstance(first, str):
                raise Unusable(f"{self._name}: line 1 is no header row: {first}")
            if first:
                return first
            break
        raise Unusable(f"{self._name}: line 1 is no header row with the columns' names.")

    def __iter__(self) -> Iterator[list[str] | str]:
        while True:
            before = self._taken
            self._bad.clear()
            self.line = self._reader.line_num + 1
            record: list[str] | str
            try:
                record = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                record = self._explain(error)
            self.size = self._taken - before
            yield self._bad[0] if self._bad else record

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
