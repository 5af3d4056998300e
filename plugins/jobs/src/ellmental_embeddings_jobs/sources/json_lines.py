"""``.jsonl``: a JSON object a line, or a bare JSON string."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from ..document import Blank, Failure
from ..errors import FilesError
from .base import Source, document_or_failure
from .utf8 import check_utf8, numbered_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..document import Document, Item

__all__ = ["JsonLinesSource"]


class JsonLinesSource(Source):
    """A file of JSON lines. The first one has to have the columns; a later one fails alone."""

    __slots__ = ()
    has_columns: ClassVar[bool] = True

    def check(self) -> None:
        """The whole file is UTF-8, and its first line has the columns that were asked for."""
        check_utf8(self.path, self.name)
        with self.path.open("rb") as stream:
            for number, line, _ in numbered_lines(stream, self.name):
                if not line.isspace():
                    self._check_first(number, line)
                    return

    def read(self) -> Iterator[Item]:
        """One document a line."""
        with self.path.open("rb") as stream:
            for number, line, size in numbered_lines(stream, self.name):
                yield Blank(size) if line.isspace() else self._item(number, line, size)

    def _check_first(self, number: int, line: str) -> None:
        value = _parsed(line)
        if isinstance(value, _Invalid):
            raise FilesError(f"{self.name}: line {number} is {value}. Every line is to be JSON.")
        if isinstance(value, str) and self.columns.id is None:
            return
        if not isinstance(value, dict):
            raise FilesError(
                f"{self.name}: line {number} is {_called(value)}, where an object is needed"
                f"{', since --id names a column.' if self.columns.id else ' (or a string).'}"
            )
        for column in self.columns.wanted:
            if column not in value:
                option = "--column" if column == self.columns.text else "--id"
                raise FilesError(
                    f"{self.name} has no column {column!r}: line {number} has "
                    f"{', '.join(value) or 'none'}. Choose one with {option}."
                )

    def _item(self, number: int, line: str, size: int) -> Document | Failure:
        value = _parsed(line)
        if isinstance(value, dict) and self.columns.text not in value:
            value = _Invalid(f"without the column {self.columns.text!r}")
        elif not isinstance(value, dict | str | _Invalid):
            value = _Invalid(f"{_called(value)} where an object or a string is needed")
        if isinstance(value, _Invalid):
            return Failure(id=None, source=self.name, line=number, reason=str(value), size=size)
        has_id = self.columns.id is not None
        row = value if isinstance(value, dict) else {self.columns.text: value}
        return document_or_failure(
            row[self.columns.text],
            identifier=row.get(self.columns.id) if self.columns.id is not None else None,
            has_id=has_id,
            source=self.name,
            line=number,
            size=size,
        )


class _Invalid(str):
    """Why a line is no row."""

    __slots__ = ()


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        return _Invalid(f"not JSON ({error.msg} at character {error.pos})")
    except (ValueError, RecursionError) as error:  # numbers of 5,000 digits; 100,000 brackets
        return _Invalid(f"not JSON that can be read ({error})")


def _called(value: object) -> str:
    names = {list: "a list", bool: "true or false", int: "a number", float: "a number", str: "text"}
    return names.get(type(value), "null")
