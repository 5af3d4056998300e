"""NumPy: ``FILE.npy`` with the vectors, ``FILE.parquet`` with all else, row for row the same."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..dataset.files import publish, temporary_name
from ..errors import FilesError
from ..journal import OutputLock
from .base import About, Counts, ExportTarget, foreign

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base import Skipped
    from .rows import Rows
    from .spelling import Spelling

__all__ = ["NpyTarget"]

_KEY = b"ellmental_export"


class NpyTarget(ExportTarget):
    """Two files, written beside the old ones and put in their place.

    No call renames two files at once. Between the two the second says that it is incomplete and
    has no row: so nobody reads vectors of one dataset beside ids of another.
    """

    kind: ClassVar[str] = "a NumPy file"

    def __init__(self, spelling: Spelling) -> None:
        super().__init__(spelling)
        self._vectors = Path(spelling.place)
        self._others = self._vectors.with_suffix(".parquet")

    def held(self) -> About | None:
        """From the second file's metadata."""
        there = [path for path in (self._vectors, self._others) if os.path.lexists(path)]
        if not there:
            return None
        try:
            found = (_metadata(self._others) or {}).get(_KEY)
        except FileNotFoundError:
            found = None
        except OSError as error:
            raise self._failed(error) from None
        if found is None:
            raise foreign(there[0].as_posix())
        return About.from_json(found, self.name)

    def count(self) -> int:
        """As both files have it; -1 where they differ."""
        import numpy as np
        from pyarrow.parquet import read_metadata

        try:
            vectors = np.lib.format.open_memmap(self._vectors, mode="r")
            others: int = read_metadata(self._others).num_rows
        except (OSError, ValueError):
            return -1
        return others if len(vectors) == others else -1

    def columns(self, rows: Rows) -> dict[str, str]:
        """Arrow's types."""
        kept = {field.name: str(field.type) for field in rows.fields}
        return {**kept, "vector": f"float32[{rows.dimensions}]"}

    def write(
        self, rows: Rows, about: About, *, anew: bool, on_skipped: Callable[[Skipped], None]
    ) -> Counts:
        """Both files anew."""
        del anew, on_skipped
        try:
            self._vectors.absolute().parent.mkdir(parents=True, exist_ok=True)
            with OutputLock(self._vectors):
                self._write(rows, replace(about, rows=len(rows), complete=True))
        except OSError as error:
            raise self._failed(error) from None
        return Counts(rows=len(rows))

    def _write(self, rows: Rows, about: About) -> None:
        vectors, others = temporary_name(self._vectors), temporary_name(self._others)
        try:
            self._fill(rows, about, vectors, others)
            self._mark(rows, replace(about, rows=0, complete=False))
            publish(vectors, self._vectors)
            publish(others, self._others)
        finally:
            for path in (vectors, others):
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def _fill(self, rows: Rows, about: About, vectors: Path, others: Path) -> None:
        import numpy as np
        from pyarrow.parquet import ParquetWriter

        header = {
            "descr": "<f4",
            "fortran_order": False,
            "shape": (len(rows), rows.dimensions),
        }
        with vectors.open("wb") as stream, others.open("wb") as other_stream:
            np.lib.format.write_array_header_1_0(stream, header)
            schema = _schema(rows, about)
            with ParquetWriter(other_stream, schema, compression="zstd") as writer:
                for batch, numbers in rows.batches():
                    stream.write(np.ascontiguousarray(numbers, dtype="<f4").data)
                    writer.write_batch(batch.replace_schema_metadata(schema.metadata))
            for one in (stream, other_stream):
                one.flush()
                os.fsync(one.fileno())

    def _mark(self, rows: Rows, about: About) -> None:
        """Put a file without rows where the second one is, or will be."""
        from pyarrow.parquet import ParquetWriter

        marked = self._others.with_name(f".{self._others.name}.mark.tmp")
        with marked.open("wb") as stream:
            ParquetWriter(stream, _schema(rows, about)).close()
            stream.flush()
            os.fsync(stream.fileno())
        publish(marked, self._others)

    def _failed(self, error: OSError) -> FilesError:
        return FilesError(f"{self.name} cannot be written: {error.strerror or error}")

    def hint(self) -> str:
        """Both files, in Python."""
        vectors, others = self._vectors.as_posix(), self._others.as_posix()
        return f"np.load({vectors!r}, mmap_mode='r'); its rows' ids: pq.read_table({others!r})"


def _schema(rows: Rows, about: About) -> Any:
    import pyarrow as pa

    return pa.schema(rows.fields, {_KEY: about.to_json().encode()})


def _metadata(path: Path) -> dict[bytes, bytes] | None:
    import pyarrow as pa
    from pyarrow.parquet import read_schema

    try:
        found: dict[bytes, bytes] | None = read_schema(path).metadata
    except pa.ArrowException:
        return None
    return found
