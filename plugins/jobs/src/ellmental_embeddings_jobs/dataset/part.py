"""One Parquet part while it is written: row groups go in, the name comes last."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .files import publish, temporary_name

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ..document import Piece

__all__ = ["PartWriter", "row_group", "schema"]


def schema(dimensions: int, metadata: dict[bytes, bytes]) -> Any:
    """The Arrow schema of every part. ``(id, piece)`` tells rows apart."""
    import pyarrow as pa

    columns = [
        ("id", pa.string()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("piece", pa.int32()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("vector", pa.list_(pa.float32(), dimensions)),
    ]
    return pa.schema([pa.field(*column, nullable=False) for column in columns], metadata)


def row_group(pieces: list[Piece], vectors: NDArray[np.float32], arrow_schema: Any) -> Any:
    """An Arrow table of some rows; vectors float32, shape (len(pieces), dimensions)."""
    import pyarrow as pa

    flat = pa.array(vectors.reshape(-1))
    columns = [
        [piece.document.id for piece in pieces],
        [piece.text for piece in pieces],
        [piece.document.source for piece in pieces],
        [piece.line for piece in pieces],
        [piece.number for piece in pieces],
        [piece.start for piece in pieces],
        [piece.end for piece in pieces],
    ]
    arrays = [
        pa.array(column, item.type) for column, item in zip(columns, arrow_schema, strict=False)
    ]
    arrays.append(pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]))
    return pa.Table.from_arrays(arrays, schema=arrow_schema)


class PartWriter:
    """Writes one part under a hidden temporary name; ``close`` gives it its own.

    Raises:
        OSError: from every method, when the disk is full or the folder cannot be written.
    """

    def __init__(self, path: Path, arrow_schema: Any) -> None:
        from pyarrow.parquet import ParquetWriter

        self.path = path
        self.rows = 0
        self._temporary = temporary_name(path)
        self._stream = self._temporary.open("wb")
        # Figures in the explanation of the layout: the smallest, and the fastest to read.
        self._writer = ParquetWriter(
            self._stream,
            arrow_schema,
            compression="zstd",
            use_dictionary=["source"],
            column_encoding={"vector.list.element": "BYTE_STREAM_SPLIT"},
            write_statistics=["id", "source", "line"],
        )

    def add(self, table: Any) -> None:
        """Write one row group."""
        self._writer.write_table(table, row_group_size=max(len(table), 1))
        self.rows += len(table)

    def close(self) -> None:
        """Finish the file, sync it, and give it its name."""
        self._writer.close()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        publish(self._temporary, self.path)

    def discard(self) -> None:
        """Remove what was written, whatever state it is in. Raises nothing."""
        with suppress(Exception):
            self._writer.close()  # writes a footer: fails on a full disk, in whatever way
        with suppress(OSError):
            self._stream.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)
