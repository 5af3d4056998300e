"""Reading parts: their vectors as float32 however they are stored, and their other columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import FilesError
from .storage import restored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["batches", "damaged", "float_vectors", "open_part", "vector_columns"]


def open_part(path: Path) -> Any:
    """A part, as a ParquetFile.

    Raises:
        FilesError: when it cannot be read.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from None


def batches(file: Any, path: Path, rows: int, columns: Sequence[str]) -> Iterator[Any]:
    """Record batches of some columns of an open part, at most ``rows`` rows at a time.

    Raises:
        FilesError: when it cannot be read.
    """
    import pyarrow as pa

    try:
        yield from file.iter_batches(batch_size=rows, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from None


def vector_columns(arrow_schema: Any) -> list[str]:
    """The columns that make the vectors: ``vector``, and ``scale`` where there is one."""
    kind = arrow_schema.field("vector").type.value_type
    return ["vector", "scale"] if str(kind) == "int8" else ["vector"]


def float_vectors(batch: Any) -> NDArray[np.float32]:
    """The vectors of a record batch, float32, shape (rows, dimensions).

    Those that are stored as float32 are a view of Arrow's buffer.
    """
    column = batch.column(batch.schema.get_field_index("vector"))
    width = column.type.list_size
    numbers = column.flatten().to_numpy(zero_copy_only=True).reshape(-1, width)
    scales = None
    if str(column.type.value_type) == "int8":
        scale = batch.column(batch.schema.get_field_index("scale"))
        scales = scale.to_numpy(zero_copy_only=True)
    return restored(numbers, scales)


def damaged(path: Path, error: Exception) -> FilesError:
    """The error about a part that cannot be read."""
    return FilesError(f"{path.as_posix()} cannot be read as Parquet: {error}")
