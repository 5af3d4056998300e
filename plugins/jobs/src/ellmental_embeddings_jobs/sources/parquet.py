"""``.parquet``: a document a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import FilesError
from .base import Source, document_or_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..document import Item

__all__ = ["ParquetSource"]

_ROWS = 512  # rows held at a time: what a batch of long texts may cost in memory


class ParquetSource(Source):
    """A Parquet file, read a few hundred rows at a time. ``line`` is the row, from 1."""

    __slots__ = ()
    has_columns: ClassVar[bool] = True

    def check(self) -> None:
        """It is Parquet, has rows, and its text column holds strings."""
        with self._open() as file:
            schema = file.schema_arrow
            for column in self.columns.wanted:
                if schema.names.count(column) != 1:
                    option = "--column" if column == self.columns.text else "--id"
                    raise FilesError(
                        f"{self.name} has no column {column!r}. Its columns: "
                        f"{', '.join(schema.names)}. Choose one with {option}."
                    )
            kind = schema.field(self.columns.text).type
            if not _is_text(kind):
                raise FilesError(
                    f"{self.name}: the column {self.columns.text!r} holds {kind}, not strings. "
                    "Choose another one with --column."
                )
            if file.metadata.num_rows == 0:
                raise FilesError(f"{self.name} is empty: it has no rows.")

    def read(self) -> Iterator[Item]:
        """One document a row."""
        with self._open() as file:
            size = max((self.size or 0) // max(file.metadata.num_rows, 1), 1)
            row = 0
            wanted = list(dict.fromkeys(self.columns.wanted))
            for batch in self._batches(file, wanted):
                texts = batch.column(self.columns.text)
                ids = None if self.columns.id is None else batch.column(self.columns.id)
                for index in range(len(batch)):
                    row += 1
                    yield document_or_failure(
                        _value(texts[index]),
                        identifier=None if ids is None else _value(ids[index]),
                        has_id=ids is not None,
                        source=self.name,
                        line=row,
                        size=size,
                    )

    def _batches(self, file: Any, columns: list[str]) -> Iterator[Any]:
        import pyarrow as pa

        try:
            yield from file.iter_batches(batch_size=_ROWS, columns=columns)
        except pa.ArrowException as error:
            raise FilesError(f"{self.name} is damaged: {error}") from None

    def _open(self) -> Any:
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile

        if self.path.stat().st_size == 0:
            raise FilesError(f"{self.name} is empty: there is nothing to embed in it.")
        try:
            return ParquetFile(self.path, pre_buffer=False)
        except pa.ArrowInvalid as error:
            raise FilesError(f"{self.name} is no Parquet file: {error}") from None


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    # string_view came later than the oldest pyarrow that is allowed
    return bool(types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view")


def _value(scalar: Any) -> object:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:  # Parquet's strings are whatever the writer put there
        return _NotUnicode()


class _NotUnicode:
    """A string column's value that is no UTF-8."""

    def __str__(self) -> str:
        return "bytes that are not UTF-8"
