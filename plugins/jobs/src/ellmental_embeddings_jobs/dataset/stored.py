"""Vectors of parts that may be used again: found by their texts' keys, in 24 bytes a row."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np

from ..keys import text_key
from .vectors import batches, damaged, float_vectors, open_part, vector_columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["StoredVectors", "tables_up_to"]

_ROWS = 4096
_GROUPS_HELD = 2


class StoredVectors:
    """The vectors of some parts, by text.

    Holds two halves of each text's key and the row, sorted; and of the vectors the row groups
    last asked for. Rows are mostly asked for in the order they are stored in.

    Args:
        parts: their files.
        used: so many of the first rows count as used from the start.

    Raises:
        FilesError: when one cannot be read.
    """

    def __init__(self, parts: list[Path], *, used: int = 0) -> None:
        self._parts = parts
        self._starts: list[int] = []  # first row of each part
        self._groups: list[list[int]] = []  # first row of each row group of a part, within it
        self._files: list[Any] = []
        halves = np.concatenate([np.empty((0, 2), "u8"), *(self._keys(path) for path in parts)])
        self._order = np.argsort(halves[:, 0], kind="stable")
        self._first = halves[self._order, 0]
        self._second = halves[self._order, 1]
        self._used = np.arange(len(halves)) < used
        self._held: dict[tuple[int, int], NDArray[np.float32]] = {}

    def __len__(self) -> int:
        """Rows."""
        return len(self._used)

    def find(self, key: bytes) -> NDArray[np.float32] | None:
        """The vector of a text, shape (dimensions,), or None; the row counts as used then."""
        row = self._use(key)
        return None if row is None else self._vector(row)

    def has(self, key: bytes) -> bool:
        """Whether ``find`` would find it, without reading vectors; the row counts as used then."""
        return self._use(key) is not None

    def _use(self, key: bytes) -> int | None:
        """The first row of a text, all of whose rows count as used from now on."""
        first, second = np.frombuffer(key, "<u8")
        place = int(np.searchsorted(self._first, first))
        found: int | None = None
        while place < len(self._first) and self._first[place] == first:
            if self._second[place] == second:
                row = int(self._order[place])
                self._used[row] = True
                found = row if found is None else found
            place += 1
        return found

    def unused(self) -> int:
        """Rows whose text nobody asked for."""
        return int((~self._used).sum())

    def some_unused(self, most: int) -> list[str]:
        """Where the first of them come from, as ``source:line``."""
        return [self._place(int(row)) for row in np.flatnonzero(~self._used)[:most]]

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def _keys(self, path: Path) -> NDArray[np.uint64]:
        file = open_part(path)
        self._files.append(file)
        self._starts.append(sum(each.metadata.num_rows for each in self._files[:-1]))
        sizes = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
        self._groups.append([sum(sizes[:n]) for n in range(len(sizes))])
        keys = [
            b"".join(map(text_key, batch.column(0).to_pylist()))
            for batch in batches(file, path, _ROWS, ["text"])
        ]
        return np.frombuffer(b"".join(keys), "<u8").reshape(-1, 2)

    def _vector(self, row: int) -> NDArray[np.float32]:
        part, group, rest = self._locate(row)
        held = self._held.get((part, group))
        if held is None:
            while len(self._held) >= _GROUPS_HELD:
                del self._held[next(iter(self._held))]
            columns = vector_columns(self._files[part].schema_arrow)
            held = self._held[part, group] = float_vectors(self._read(part, group, columns))
        vector: NDArray[np.float32] = held[rest]
        return vector

    def _place(self, row: int) -> str:
        part, group, rest = self._locate(row)
        found = self._read(part, group, ["source", "line"]).slice(rest, 1).to_pylist()[0]
        return f"{found['source']}:{found['line']}"

    def _locate(self, row: int) -> tuple[int, int, int]:
        part = bisect_right(self._starts, row) - 1
        row -= self._starts[part]
        group = bisect_right(self._groups[part], row) - 1
        return part, group, row - self._groups[part][group]

    def _read(self, part: int, group: int, columns: list[str]) -> Any:
        import pyarrow as pa

        try:
            table = self._files[part].read_row_group(group, columns=columns)
            return table.combine_chunks().to_batches()[0]
        except (OSError, pa.ArrowException) as error:
            raise damaged(self._parts[part], error) from None


def tables_up_to(path: Path, rows: int) -> Iterator[Any]:
    """The first rows of a part as tables of whole columns, a row group at a time.

    Raises:
        FilesError: when it cannot be read.
    """
    import pyarrow as pa

    with open_part(path) as file:
        for group in range(file.num_row_groups):
            if rows <= 0:
                return
            try:
                table = file.read_row_group(group).slice(0, rows)
            except (OSError, pa.ArrowException) as error:
                raise damaged(path, error) from None
            rows -= len(table)
            yield table
