"""One Parquet part while it is written: row groups go in, the name comes last."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .files import publish, temporary_name
from .storage import arrow_type, store_of, stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ..document import Piece
    from .storage import Store

__all__ = ["COLUMNS", "PartWriter", "row_group", "schema", "values_of"]

COLUMNS = ("id", "text", "source", "line", "piece", "start", "end")
"""What every row has beside its vector and the columns of the input that were kept."""


def schema(
    dimensions: int,
    metadata: dict[bytes, bytes],
    *,
    store: Store = "float32",
    kept: Sequence[Any] = (),
) -> Any:
    """The Arrow schema of every part. ``(id, piece)`` tells rows apart.

    Args:
        dimensions: width of the vectors.
        metadata: what the part says about itself.
        store: how the vectors are stored; int8 has its ``scale`` in a column.
        kept: Arrow fields of the columns that are kept from the input.
    """
    import pyarrow as pa

    types = {"line": pa.int64(), "piece": pa.int32(), "start": pa.int64(), "end": pa.int64()}
    fields = [pa.field(name, types.get(name, pa.string()), nullable=False) for name in COLUMNS]
    vector = pa.list_(arrow_type(store), dimensions)
    fields.append(pa.field("vector", vector, nullable=False))
    if store == "int8":
        fields.append(pa.field("scale", pa.float32(), nullable=False))
    return pa.schema([*fields, *kept], metadata)


def values_of(piece: Piece) -> tuple[object, ...]:
    """A row's values of COLUMNS, in their order."""
    document = piece.document
    return (
        document.id,
        piece.text,
        document.source,
        piece.line,
        piece.number,
        piece.start,
        piece.end,
    )


def row_group(pieces: list[Piece], vectors: NDArray[np.float32], arrow_schema: Any) -> Any:
    """An Arrow table of some rows; vectors float32, shape (len(pieces), dimensions)."""
    import pyarrow as pa

    columns = dict(zip(COLUMNS, zip(*map(values_of, pieces), strict=True), strict=True))
    arrays = {
        name: pa.array(column, arrow_schema.field(name).type) for name, column in columns.items()
    }
    numbers, scales = stored(vectors, _store(arrow_schema))
    arrays["vector"] = pa.FixedSizeListArray.from_arrays(
        pa.array(numbers.reshape(-1)), vectors.shape[1]
    )
    if scales is not None:
        arrays["scale"] = pa.array(scales)
    for item in list(arrow_schema)[len(arrays) :]:
        values = [piece.document.kept.get(item.name) for piece in pieces]
        arrays[item.name] = pa.array(values, item.type)
    return pa.Table.from_arrays([arrays[name] for name in arrow_schema.names], schema=arrow_schema)


def _store(arrow_schema: Any) -> Store:
    store = store_of(arrow_schema.field("vector").type.value_type)
    assert store is not None
    return store


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
        # Figures in the explanation of the layout: the smallest, and the fastest to read. An
        # int8 is 32 bits wide in Parquet; a dictionary of its 255 values makes it 8 again. Of
        # float16, DuckDB reads no BYTE_STREAM_SPLIT.
        store = _store(arrow_schema)
        split = {"vector.list.element": "BYTE_STREAM_SPLIT"} if store == "float32" else None
        self._writer = ParquetWriter(
            self._stream,
            arrow_schema,
            compression="zstd",
            use_dictionary=["source", *(["vector.list.element"] if store == "int8" else [])],
            column_encoding=split,
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
