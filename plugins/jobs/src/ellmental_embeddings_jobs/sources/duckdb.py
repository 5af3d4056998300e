"""DuckDB: a document a row of a query; nothing is ever written."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import FilesError
from .arrow_rows import ROWS, ArrowRows
from .sqlite import no_query

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DuckdbSource"]

_TABLES = "select table_name from information_schema.tables order by table_name"


class DuckdbSource(ArrowRows):
    """What ``--query`` gives of a DuckDB database, with its types."""

    __slots__ = ()
    is_database: ClassVar[bool] = True

    @property
    def size(self) -> None:
        """Nobody knows what a query will give."""
        return

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, int | None, Iterator[Any]]]:
        try:
            import duckdb
        except ImportError:
            raise FilesError(
                f"{self.name} is a DuckDB database, and DuckDB is not installed: "
                "pip install 'ellmental-embeddings-jobs[duckdb]'"
            ) from None
        try:
            with duckdb.connect(str(self.path), read_only=True) as connection:
                if self.query is None:
                    names = ", ".join(name for (name,) in connection.execute(_TABLES).fetchall())
                    raise FilesError(no_query(self.name, names))
                found = connection.sql(self.query)
                if found is None:
                    raise FilesError(f"{self.name}: the query gives no rows. It is to be a SELECT.")
                # The name changed with DuckDB 1.5.
                newer = getattr(found, "to_arrow_reader", None)
                reader = (newer or found.fetch_record_batch)(ROWS)
                yield reader.schema, None, self._sound(iter(reader))
        except duckdb.Error as error:
            raise FilesError(f"{self.name}: {error}\nThe query: {self.query}") from None
