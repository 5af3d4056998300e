"""Rows that come as Arrow record batches: checked by their schema, read a batch at a time."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import FilesError
from ..values import NotUnicode, plain_values
from .base import Source, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ..document import Item

__all__ = ["ROWS", "ArrowRows", "is_text"]

ROWS = 512
"""Rows held at a time: what a batch of long texts may cost in memory."""


class ArrowRows(Source):
    """A source with a schema. ``line`` is the row, from 1."""

    __slots__ = ()
    has_columns: ClassVar[bool] = True
    may_be_packed: ClassVar[bool] = False
    unit: ClassVar[str] = "row"

    @abstractmethod
    def _open(self) -> AbstractContextManager[tuple[Any, int | None, Iterator[Any]]]:
        """The schema, the rows where they are known, and the batches of the wanted columns."""

    def check(self) -> None:
        """It has rows, and its text column holds strings."""
        with self._open() as (schema, rows, batches):
            self.columns.require(self.name, schema.names)
            kind = schema.field(self.columns.text).type
            if not is_text(kind):
                raise Unusable(
                    f"{self.name}: the column {self.columns.text!r} holds {kind}, not strings. "
                    "Choose another one with --column."
                )
            if rows == 0 or (rows is None and not any(len(batch) for batch in batches)):
                raise Unusable(f"{self.name} is empty: it has no rows.")

    def fields(self) -> list[Any]:
        """As the schema has them, but for dictionaries and views: the type of their values."""
        import pyarrow as pa

        with self._open() as (schema, _, _):
            self.columns.require(self.name, schema.names)
            return [pa.field(name, _plain(schema.field(name).type)) for name in self.columns.keep]

    def items(self) -> Iterator[Item]:
        """One document a row."""
        row = 0
        with self._open() as (_, rows, batches):
            size = max((self.size or 0) // rows, 1) if rows else 0
            for batch in batches:
                for start in range(0, len(batch), ROWS):
                    for item in self._some(batch.slice(start, ROWS), row, size):
                        row += 1
                        yield item

    def _some(self, batch: Any, row: int, size: int) -> Iterator[Item]:
        values = {name: plain_values(batch.column(name)) for name in self.columns.wanted}
        texts = values[self.columns.text]
        ids = [None] * len(batch) if self.columns.id is None else values[self.columns.id]
        for index, (text, identifier) in enumerate(zip(texts, ids, strict=True)):
            kept = {name: values[name][index] for name in self.columns.keep}
            line = row + index + 1
            if any(isinstance(value, NotUnicode) for value in kept.values()):
                yield self.failure(line, "a kept column holds bytes that are not UTF-8", size)
            else:
                yield self.row(text, identifier=identifier, line=line, size=size, kept=kept)

    @contextmanager
    def _explained(self, kind: str) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except pa.ArrowInvalid as error:
            raise Unusable(f"{self.name} is no {kind} file: {error}") from None

    def _sound(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        try:
            yield from batches
        except pa.ArrowException as error:
            raise FilesError(f"{self.name} is damaged: {error}") from None

    def _refuse_empty(self) -> None:
        if self.path.stat().st_size == 0:
            raise Unusable(f"{self.name} is empty: there is nothing to embed in it.")


def is_text(kind: Any) -> bool:
    """Whether a type is one of strings."""
    from pyarrow import types

    kind = _plain(kind)
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _plain(kind: Any) -> Any:
    """The type that values are stored as: what any reader of Parquet can filter."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    # string_view came later than the oldest pyarrow that is allowed; few kernels take it
    return pa.string() if str(kind) == "string_view" else kind
