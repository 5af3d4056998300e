"""Which rows of a dataset fulfil a condition: one flag a row, a few thousand rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import numpy as np

from .errors import FilesError
from .filters import parse_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .dataset import Dataset

__all__ = ["rows_where"]

_ROWS = 16_384
_NOT_FOR_CONDITIONS = ("vector", "scale")


def rows_where(dataset: Dataset, condition: str) -> NDArray[np.bool_]:
    """Per row of a dataset whether it fulfils a condition, shape (rows,).

    Raises:
        click.UsageError: the condition is not understood.
        FilesError: a part cannot be read, or has other columns than the first.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    wanted = np.zeros(dataset.rows, dtype=np.bool_)
    kept, first = None, 0
    for path in dataset.parts:
        try:
            with ParquetFile(path, pre_buffer=False) as file:
                kept = kept or parse_filter(condition, _columns(file.schema_arrow))
                for batch in file.iter_batches(batch_size=_ROWS, columns=list(kept.columns)):
                    places = pa.array(np.arange(first, first + len(batch)))
                    table = pa.Table.from_batches([batch]).append_column("\0row", places)
                    found = table.filter(kept.expression).column("\0row")
                    wanted[found.to_numpy()] = True
                    first += len(batch)
        except (pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise click.UsageError(f"--where: {error}") from None
        except (OSError, pa.ArrowException) as error:
            raise FilesError(f"{path.as_posix()} cannot be read: {error}") from None
    return wanted


def _columns(schema: Any) -> dict[str, Any]:
    return {field.name: field.type for field in schema if field.name not in _NOT_FOR_CONDITIONS}
