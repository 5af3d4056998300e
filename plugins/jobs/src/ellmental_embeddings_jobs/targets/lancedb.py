"""LanceDB: a table a dataset, written anew as one version; readers see the old one until then."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click

from ..errors import FilesError
from .base import About, Counts, ExportTarget, foreign, not_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .base import Skipped
    from .rows import Rows
    from .spelling import Spelling

__all__ = ["LanceTarget"]

_KEY = b"ellmental_export"


class LanceTarget(ExportTarget):
    """A table in a LanceDB database, with Arrow's types as they are.

    Lance commits a version by writing one file: killed before it, the old version stands. A merge
    in batches would look through the whole table for each of them, and leave a half new one in
    between.
    """

    kind: ClassVar[str] = "LanceDB"

    def __init__(self, spelling: Spelling) -> None:
        super().__init__(spelling)
        os.environ.setdefault("LANCEDB_LOG", "error")  # it warns of every table it makes
        try:
            import lancedb
        except ImportError:
            raise not_installed(self.name, "lancedb") from None
        self._lancedb = lancedb
        self._problem: Exception | None = None

    def held(self) -> About | None:
        """From the metadata of the table's schema."""
        table = self._table()
        if table is None:
            return None
        found = (table.schema.metadata or {}).get(_KEY)
        if found is None:
            raise foreign(self.name)
        return About.from_json(found, self.name)

    def count(self) -> int:
        """As the table says."""
        table = self._table()
        with self._told():
            return -1 if table is None else int(table.count_rows())

    def columns(self, rows: Rows) -> dict[str, str]:
        """Arrow's types."""
        for field in rows.fields:
            if "." in field.name:
                raise FilesError(
                    f"LanceDB cannot have a column {field.name!r}: a dot leads into an object. "
                    "Embed without it in --keep, or with another name."
                )
        return {field.name: str(field.type) for field in _schema(rows)}

    def write(
        self, rows: Rows, about: About, *, anew: bool, on_skipped: Callable[[Skipped], None]
    ) -> Counts:
        """The whole table as one version."""
        del anew, on_skipped
        import pyarrow as pa

        whole = replace(about, rows=len(rows), complete=True)
        schema = _schema(rows).with_metadata({_KEY: whole.to_json().encode()})
        indices = self._indices()
        with self._told():
            reader = pa.RecordBatchReader.from_batches(schema, self._batches(rows, schema))
            database = self._lancedb.connect(self.spelling.place)
            database.create_table(self.spelling.table, data=reader, mode="overwrite")
        if indices:
            click.echo(
                f"note: a new version of a table has no indices. Make them again: {indices}",
                err=True,
            )
        return Counts(rows=len(rows))

    def _batches(self, rows: Rows, schema: Any) -> Iterator[Any]:
        """Record batches with their vectors; what goes wrong is kept, since Lance retells it."""
        import pyarrow as pa

        try:
            for batch, vectors in rows.batches():
                numbers = pa.array(vectors.reshape(-1))
                vector = pa.FixedSizeListArray.from_arrays(numbers, rows.dimensions)
                yield pa.record_batch([*batch.columns, vector], schema=schema)
        except Exception as error:
            self._problem = error
            raise

    def _indices(self) -> str:
        table = self._table()
        if table is None:
            return ""
        with self._told():
            return ", ".join(
                f"{one.index_type} on {one.columns[0]}" for one in table.list_indices()
            )

    def _table(self) -> Any:
        """The table, or None where there is none, or no version of it was finished."""
        folder = Path(self.spelling.place)
        if "://" not in self.spelling.place and not folder.exists():
            return None
        with self._told():
            database = self._lancedb.connect(self.spelling.place)
        try:
            return database.open_table(self.spelling.table)
        except ValueError:
            return None
        except (OSError, RuntimeError) as error:
            raise self._failed(error) from None

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FilesError:
            raise
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            if isinstance(self._problem, FilesError):
                raise self._problem from None
            raise self._failed(self._problem or error) from None

    def _failed(self, error: Exception) -> FilesError:
        first = str(error).strip().partition("\n")[0]
        return FilesError(f"{self.name}: {first or type(error).__name__}")

    def hint(self) -> str:
        """A search, in Python."""
        return (
            f"lancedb.connect({self.spelling.place!r}).open_table({self.spelling.table!r})"
            ".search(vector).distance_type('cosine').limit(5).to_list()"
        )


def _schema(rows: Rows) -> Any:
    import pyarrow as pa

    vector = pa.field("vector", pa.list_(pa.float32(), rows.dimensions), nullable=False)
    return pa.schema([*rows.fields, vector])
