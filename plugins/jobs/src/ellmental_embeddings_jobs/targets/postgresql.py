"""PostgreSQL with pgvector: a table with a column of vectors, upserted by COPY and one INSERT."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import FilesError
from .plain import values_for_sql
from .postgresql_session import Session
from .postgresql_types import has_nul, sql_type, sql_value, vector_bytes
from .upserting import ABOUT_TABLE, UpsertingTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from .rows import Rows
    from .spelling import Spelling

__all__ = ["PostgresTarget"]

_WIDEST = 16_000
"""Dimensions that pgvector takes."""
_LONGEST_ID = 2600
"""Bytes of an id: an entry of a B-tree must fit a third of a page of 8 KiB."""
_LONGEST_NAME = 63
_SYSTEM = ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")
_KEY = ("id", "piece")

_UPSERT = (
    "insert into {table} as held ({names}) select {names} from pg_temp.ellmental_stage "
    "on conflict (id, piece) do update set {sets} where ({held}) is distinct from ({new})"
)


class PostgresTarget(UpsertingTarget):
    """A table in a PostgreSQL database that has pgvector."""

    kind: ClassVar[str] = "PostgreSQL"
    takes_halfvec: ClassVar[bool] = True

    def __init__(self, spelling: Spelling) -> None:
        super().__init__(spelling)
        schema, _, self._plain = spelling.table.rpartition(".")
        self._schema = schema or None
        before = [schema] if schema else []
        self._named = [*before, self._plain]
        self._session = Session(spelling, {"table": self._named, "about": [*before, ABOUT_TABLE]})
        self._stored: list[tuple[str, str, bool]] = []
        self._convert: list[Callable[[Any], Any] | None] = []
        self._halfvec = False

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def count(self) -> int:
        """As the table has it."""
        with self._session.told():
            return int(self._session.one("select count(*) from {table}"))

    def columns(self, rows: Rows) -> dict[str, str]:
        """PostgreSQL's types."""
        if rows.dimensions > _WIDEST:
            raise FilesError(
                f"pgvector takes vectors of at most {_WIDEST:,} dimensions: these have "
                f"{rows.dimensions:,}. Embed with a smaller EMBEDDING_DIMENSIONS."
            )
        for field in rows.fields:
            if field.name in _SYSTEM or len(field.name.encode()) > _LONGEST_NAME:
                raise FilesError(
                    f"PostgreSQL cannot have a column {field.name!r}: it has one of that name, or "
                    f"it is longer than {_LONGEST_NAME} bytes. Embed without it in --keep."
                )
        return {name: kind for name, kind, _ in _stored(rows)}

    def hint(self) -> str:
        """A query, in SQL."""
        table = ".".join(f'"{name}"' for name in self._named)
        return (
            f"SELECT id, text, vector <=> :vector AS distance FROM {table} "  # noqa: S608 - shown
            "ORDER BY distance LIMIT 5"
        )

    # What UpsertingTarget asks for

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._session.told(), self._session.connection().transaction():
            yield

    def _has_table(self) -> bool:
        with self._session.told():
            return self._session.has_table(self._schema, self._plain)

    def _read_about(self) -> str | None:
        with self._session.told():
            if not self._session.has_table(self._schema, ABOUT_TABLE):
                return None
            found: str | None = self._session.one(
                "select about from {about} where name = %s for update", self._plain
            )
            return found

    def _write_about(self, about: str) -> None:
        self._session.run(
            "insert into {about} (name, about) values (%s, %s) "
            "on conflict (name) do update set about = excluded.about",
            self._plain,
            about,
        )

    def _drop(self) -> None:
        self._session.run("drop table if exists {table}")

    def _make(self, rows: Rows) -> None:
        self._stored, self._halfvec = _stored(rows), rows.halfvec
        self._convert = [sql_value(field.type) for field in rows.fields]
        self._require_pgvector()
        self._session.run("create table if not exists {about} (name text primary key, about text)")
        self._session.run(
            "create table if not exists {table} ({columns}, primary key (id, piece))",
            columns=self._session.definitions(self._stored),
        )

    def _require_pgvector(self) -> None:
        session = self._session
        if not session.one("select 1 from pg_extension where extname = 'vector'"):
            try:
                with session.told():
                    session.run("create extension vector")
            except FilesError as error:
                raise FilesError(
                    f"{error.message}\nThe database needs pgvector. Whoever runs it installs it, "
                    "and says in this database, as its owner: CREATE EXTENSION vector"
                ) from None
        session.register("halfvec" if self._halfvec else "vector")

    def _begin(self, rows: Rows) -> None:
        del rows
        columns = self._session.definitions(self._stored)
        with self._transaction():
            for statement in (
                "create temp table ellmental_stage ({columns})",
                "create temp table ellmental_seen (id text, piece bigint, primary key (id, piece))",
            ):
                self._session.run(statement, columns=columns)

    def _refused(self, batch: Any) -> dict[int, str]:
        """PostgreSQL's text has no NUL, and its index no long ids."""
        found: dict[int, str] = {}
        for field, column in zip(batch.schema, batch.columns, strict=True):
            if sql_type(field.type) not in ("text", "jsonb"):
                continue
            for row, value in enumerate(column.to_pylist()):
                if has_nul(value):
                    found[row] = f"PostgreSQL's text has no NUL character (column {field.name})"
                elif field.name == "id" and len(value.encode()) > _LONGEST_ID:
                    found[row] = f"PostgreSQL indexes no id of more than {_LONGEST_ID:,} bytes"
        return found

    def _put(self, batch: Any, vectors: NDArray[np.float32]) -> int:
        session = self._session
        columns = [
            values if convert is None else [convert(one) for one in values]
            for convert, values in zip(
                self._convert, map(values_for_sql, batch.columns), strict=True
            )
        ]
        numbers = vector_bytes(vectors, halfvec=self._halfvec)
        session.run("truncate pg_temp.ellmental_stage")
        session.copy(
            "copy pg_temp.ellmental_stage from stdin (format binary)",
            [kind.partition("(")[0] for _, kind, _ in self._stored],
            zip(*columns, numbers, strict=True),
        )
        names = [name for name, _, _ in self._stored]
        others = [name for name in names if name not in _KEY]
        changed = session.run(
            _UPSERT,
            names=session.listed("{0}", names),
            sets=session.listed("{0} = excluded.{0}", others),
            held=session.listed("held.{0}", others),
            new=session.listed("excluded.{0}", others),
        )
        session.run(
            "insert into pg_temp.ellmental_seen select id, piece from pg_temp.ellmental_stage"
        )
        return changed

    def _delete_unseen(self) -> int:
        self._session.run("analyze pg_temp.ellmental_seen")
        return self._session.run(
            "delete from {table} t where not exists (select 1 from pg_temp.ellmental_seen s "
            "where s.id = t.id and s.piece = t.piece)"
        )


def _stored(rows: Rows) -> list[tuple[str, str, bool]]:
    """Name and type of every column, and whether it may be null."""
    columns = [(field.name, sql_type(field.type), field.nullable) for field in rows.fields]
    kind = "halfvec" if rows.halfvec else "vector"
    return [*columns, ("vector", f"{kind}({rows.dimensions})", False)]
