"""A connection to PostgreSQL: opened when it is needed, its errors told without passwords."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import FilesError
from .base import not_installed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .spelling import Spelling

__all__ = ["Session"]

_PATIENCE = 10
"""Seconds to wait for a connection, where neither address nor environment says."""

_FIND = (
    "select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace where relname = %s "
    "and (nspname = %s or (%s::text is null and pg_table_is_visible(c.oid)))"
)


class Session:
    """Statements to one database.

    Args:
        spelling: what the user wrote.
        names: what stands for ``{name}`` in statements: an identifier's parts.
    """

    def __init__(self, spelling: Spelling, names: dict[str, Sequence[str]]) -> None:
        try:
            import psycopg
        except ImportError:
            raise not_installed(spelling.shown, "pgvector") from None
        self._psycopg = psycopg
        self._spelling = spelling
        self._opened: psycopg.Connection[Any] | None = None
        self._names = {name: psycopg.sql.Identifier(*parts) for name, parts in names.items()}

    def close(self) -> None:
        """Close the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def connection(self) -> Any:
        """The connection.

        Raises:
            psycopg.Error: there is none.
        """
        if self._opened is None:
            address = self._spelling.place
            wait: dict[str, Any] = {}
            if "connect_timeout" not in address and "PGCONNECT_TIMEOUT" not in os.environ:
                wait = {"connect_timeout": _PATIENCE}
            self._opened = self._psycopg.connect(
                address, autocommit=True, application_name="ellmental export", **wait
            )
        return self._opened

    def run(self, statement: str, *values: object, **parts: Any) -> int:
        """Run a statement; the number of rows it was about."""
        count: int = self._execute(statement, values, parts).rowcount
        return count

    def one(self, statement: str, *values: object) -> Any:
        """The first value of a statement, or None."""
        row = self._execute(statement, values, {}).fetchone()
        return None if row is None else row[0]

    def has_table(self, schema: str | None, name: str) -> bool:
        """Whether there is a table of that name."""
        return self.one(_FIND, name, schema, schema) is not None

    def copy(self, statement: str, types: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
        """Send rows in PostgreSQL's binary form."""
        with self.connection().cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)

    def register(self, kind: str) -> None:
        """Make bytes known as values of one of pgvector's types.

        Raises:
            FilesError: the database has no such type.
        """
        from psycopg.adapt import Dumper
        from psycopg.pq import Format
        from psycopg.types import TypeInfo

        info = TypeInfo.fetch(self.connection(), kind)
        if info is None:
            raise FilesError(
                f"{self._spelling.shown}: the database knows no type {kind}. Its pgvector is too "
                "old (halfvec needs 0.7), or not in a schema of the search path."
            )

        class AsItIs(Dumper):
            format = Format.BINARY
            oid = info.oid

            def dump(self, obj: bytes) -> bytes:
                return obj

        info.register(self.connection())
        self.connection().adapters.register_dumper(None, AsItIs)

    def definitions(self, columns: Sequence[tuple[str, str, bool]]) -> Any:
        """Columns as ``create table`` has them: name, type, whether it may be null."""
        sql = self._psycopg.sql
        return sql.SQL(", ").join(
            sql.SQL("{} {}{}").format(
                sql.Identifier(name), sql.SQL(kind), sql.SQL("" if nullable else " not null")
            )
            for name, kind, nullable in columns
        )

    def listed(self, pattern: str, names: Sequence[str]) -> Any:
        """A list with commas, the pattern's ``{0}`` being each name in turn."""
        sql = self._psycopg.sql
        return sql.SQL(", ").join(sql.SQL(pattern).format(sql.Identifier(name)) for name in names)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Errors of the database as FilesError."""
        try:
            yield
        except self._psycopg.Error as error:
            raise FilesError(f"{self._spelling.shown}: {self.said(error)}") from None

    def said(self, error: Exception) -> str:
        """What an error says, without a password."""
        diagnosed = getattr(getattr(error, "diag", None), "message_primary", None)
        text = " ".join((diagnosed or str(error) or type(error).__name__).split())
        for secret in self._spelling.secrets:
            text = text.replace(secret, "***")
        return text

    def _execute(self, statement: str, values: Sequence[object], parts: dict[str, Any]) -> Any:
        composed = self._psycopg.sql.SQL(statement).format(**self._names, **parts)
        return self.connection().execute(composed, values or None)
