"""SQLite: a document a row of a query; nothing is ever written."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from ..errors import FilesError
from .base import Source, Unusable
from .inference import inferred_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..document import Item

__all__ = ["SqliteSource", "no_query"]

_TABLES = "select name from sqlite_schema where type in ('table', 'view') order by name"


class SqliteSource(Source):
    """What ``--query`` gives of a SQLite database, row by row. ``line`` is the row, from 1."""

    __slots__ = ()
    has_columns: ClassVar[bool] = True
    is_database: ClassVar[bool] = True
    may_be_packed: ClassVar[bool] = False
    unit: ClassVar[str] = "row"

    @property
    def size(self) -> None:
        """Nobody knows what a query will give."""
        return

    def check(self) -> None:
        """The query can be asked, and has the columns and at least one row."""
        with self._rows() as cursor:
            self._require(cursor)
            if cursor.fetchone() is None:
                raise Unusable(f"{self.name}: the query gives no rows.")

    def fields(self) -> list[Any]:
        """Types that hold every value of the query, which is asked once more for that."""
        with self._rows() as cursor:
            names = self._require(cursor)
            rows = (dict(zip(names, row, strict=True)) for row in cursor)
            return inferred_fields(rows, self.columns.keep)

    def items(self) -> Iterator[Item]:
        """One document a row."""
        with self._rows() as cursor:
            names = self._require(cursor)
            text = names.index(self.columns.text)
            identifier = None if self.columns.id is None else names.index(self.columns.id)
            keep = [(name, names.index(name)) for name in self.columns.keep]
            for number, row in enumerate(cursor, start=1):
                yield self.row(
                    row[text],
                    identifier=None if identifier is None else row[identifier],
                    line=number,
                    size=0,
                    kept={name: row[place] for name, place in keep},
                )

    def _require(self, cursor: sqlite3.Cursor) -> list[str]:
        names = [column[0] for column in cursor.description or ()]
        if not names:
            raise FilesError(f"{self.name}: the query gives no rows. It is to be a SELECT.")
        self.columns.require(self.name, names)
        return names

    @contextmanager
    def _rows(self) -> Iterator[sqlite3.Cursor]:
        address = f"file:{quote(str(self.path.absolute()))}?mode=ro"
        try:
            # Read by one thread at a time, which need not be the one that opened it.
            connection = sqlite3.connect(address, uri=True, check_same_thread=False)
            with closing(connection):
                connection.text_factory = _text
                connection.execute("pragma query_only = on")
                if self.query is None:
                    names = [str(name) for (name,) in connection.execute(_TABLES)]
                    raise FilesError(no_query(self.name, ", ".join(names)))
                yield connection.execute(self.query)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise FilesError(f"{self.name}: {error}. The query: {self.query}") from None


def _text(raw: bytes) -> object:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def no_query(name: str, tables: str) -> str:
    """What is said about a database without a query."""
    example = '--query "select id, text from docs order by id"'
    return f"{name} is a database: say which rows, as in {example}. Its tables: {tables or 'none'}"
