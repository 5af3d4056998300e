"""``.parquet``: a document a row."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .arrow_rows import ROWS, ArrowRows

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ParquetSource"]

_BUFFER = 1024 * 1024


class ParquetSource(ArrowRows):
    """A Parquet file, read a few hundred rows at a time, however large its row groups are."""

    __slots__ = ()

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, int | None, Iterator[Any]]]:
        from pyarrow.parquet import ParquetFile

        self._refuse_empty()
        with self._explained("Parquet"):
            # With a buffer a column chunk is read page by page, and not as a whole.
            file = ParquetFile(self.path, pre_buffer=False, buffer_size=_BUFFER)
        with file:
            rows = file.iter_batches(batch_size=ROWS, columns=self.columns.wanted)
            yield file.schema_arrow, file.metadata.num_rows, self._sound(rows)
