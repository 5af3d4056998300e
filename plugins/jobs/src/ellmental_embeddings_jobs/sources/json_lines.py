"""``.jsonl``: a JSON object a line, or a bare JSON string."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from ..document import Blank
from .base import Source, Unusable
from .inference import inferred_fields
from .streams import open_stream
from .utf8 import BadLine, check_text, numbered_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..document import Document, Failure, Item

__all__ = ["JsonLinesSource"]


class JsonLinesSource(Source):
    """A file of JSON lines. The first one has to have the columns; a later one fails alone."""

    __slots__ = ()
    has_columns: ClassVar[bool] = True

    def check(self) -> None:
        """It is text, and its first line has the columns that were asked for."""
        check_text(self)
        with open_stream(self) as stream:
            for number, line, _ in numbered_lines(stream, self.name):
                if not line.isspace():
                    self._check_first(number, line)
                    return

    def fields(self) -> list[Any]:
        """Types that hold every value of the file, which is read for that; stdin: strings."""
        import pyarrow as pa

        if self.once:
            return [pa.field(name, pa.string()) for name in self.columns.keep]
        return inferred_fields(self._objects(), self.columns.keep)

    def items(self) -> Iterator[Item]:
        """One document a line."""
        with open_stream(self) as stream:
            for number, line, size in numbered_lines(stream, self.name):
                yield Blank(size) if line.isspace() else self._item(number, line, size)

    def _objects(self) -> Iterator[dict[str, object]]:
        with open_stream(self) as stream:
            for _, line, _ in numbered_lines(stream, self.name):
                value = _parsed(line)
                if isinstance(value, dict):
                    yield value

    def _check_first(self, number: int, line: str) -> None:
        value = _parsed(line)
        if isinstance(line, BadLine):
            return  # a later one may be better
        if isinstance(value, _Invalid):
            raise Unusable(f"{self.name}: line {number} is {value}. Every line is to be JSON.")
        if isinstance(value, str) and len(self.columns.wanted) == 1:
            return
        if not isinstance(value, dict):
            named = [self.columns.option(name) for name in self.columns.wanted[1:]]
            why = f", since {named[0]} names a column." if named else " (or a string)."
            raise Unusable(
                f"{self.name}: line {number} is {_called(value)}, where an object is needed{why}"
            )
        # What is kept may be missing in any line: then it is null.
        for column in self.columns.wanted:
            if column not in value and column not in self.columns.keep:
                raise Unusable(
                    f"{self.name} has no column {column!r}: line {number} has "
                    f"{', '.join(map(repr, value)) or 'none'}. Choose one with "
                    f"{self.columns.option(column)}."
                )

    def _item(self, number: int, line: str, size: int) -> Document | Failure:
        if isinstance(line, BadLine):
            return self.failure(number, line.reason, size)
        value = _parsed(line)
        if isinstance(value, dict) and self.columns.text not in value:
            value = _Invalid(f"without the column {self.columns.text!r}")
        elif not isinstance(value, dict | str | _Invalid):
            value = _Invalid(f"{_called(value)} where an object or a string is needed")
        if isinstance(value, _Invalid):
            return self.failure(number, str(value), size)
        row = value if isinstance(value, dict) else {self.columns.text: value}
        return self.row(
            row[self.columns.text],
            identifier=None if self.columns.id is None else row.get(self.columns.id),
            line=number,
            size=size,
            kept={name: row.get(name) for name in self.columns.keep},
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
