"""The rows of a dataset on their way out: a few MB at a time, vectors as float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..dataset.fingerprint import fingerprint
from ..dataset.vectors import batches, float_vectors, open_part
from ..errors import FilesError
from ..repeated import find_repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ..dataset import Dataset

__all__ = ["Rows"]

_BATCH_BYTES = 4 * 1024 * 1024
_BATCH_ROWS = 4096
_NAMED = 3


class Rows:
    """All rows of a dataset, in order.

    Args:
        dataset: whose.
        on_batch: called with the number of rows handed out so far.

    Attributes:
        fields: Arrow fields of all columns but the vector.
        dimensions: width of the vectors.
        halfvec: whether numbers of 16 bits are wanted, where the target can.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        halfvec: bool = False,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.dataset = dataset
        self.halfvec = halfvec
        self.fingerprint = fingerprint(dataset)
        self._on_batch = on_batch
        with open_part(dataset.parts[0]) as file:
            schema = file.schema_arrow
        self.dimensions: int = schema.field("vector").type.list_size
        self.fields: tuple[Any, ...] = tuple(
            field for field in schema if field.name not in ("vector", "scale")
        )

    def __len__(self) -> int:
        return self.dataset.rows

    def batches(self) -> Iterator[tuple[Any, NDArray[np.float32]]]:
        """Yield (record batch of ``fields``, float32 vectors of shape (rows, dimensions)).

        Raises:
            FilesError: a part cannot be read, or the dataset was changed meanwhile.
        """
        import pyarrow as pa

        size = max(min(_BATCH_ROWS, _BATCH_BYTES // (4 * self.dimensions)), 1)
        schema = pa.schema(self.fields)
        done = 0
        for path in self.dataset.parts:
            with open_part(path) as file:
                names = file.schema_arrow.names
                for batch in batches(file, path, size, names):
                    own = batch.select([one for one in names if one not in ("vector", "scale")])
                    if not own.schema.equals(schema):
                        raise FilesError(
                            f"{path.as_posix()} has other columns than "
                            f"{self.dataset.parts[0].name}: parts of two datasets are mixed."
                        )
                    yield own, float_vectors(batch)
                    done += len(batch)
                    self._on_batch(done)
        self.dataset.require_unchanged(self.fingerprint)

    def require_unique(self) -> None:
        """Make sure that ``(id, piece)`` tells the rows apart.

        Raises:
            FilesError: it does not; names a few rows.
        """
        repeated = find_repeated(self.dataset.parts, _NAMED)
        if repeated.rows:
            found = "\n".join(f"  {one}" for one in repeated.examples)
            raise FilesError(
                f"{self.dataset.folder.as_posix()} has ids that stand twice, and a target keeps "
                f"one row of each:\n{found}\nEmbed with another --id, or without "
                "one: then a row's id is its place."
            )
