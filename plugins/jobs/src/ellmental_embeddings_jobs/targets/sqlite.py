"""SQLite with sqlite-vec: a table with the columns, and beside it the vectors to search in."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import FilesError
from .base import not_installed, refuse_clashes
from .plain import json_text, values_for_sql
from .upserting import ABOUT_TABLE, UpsertingTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from .rows import Rows
    from .spelling import Spelling

__all__ = ["SqliteTarget"]

_PATIENCE_MS = 10_000
_WIDEST = 8192
"""Dimensions that sqlite-vec 0.1.9 takes."""
_LARGEST = 2**63


class SqliteTarget(UpsertingTarget):
    """TABLE holds the columns, the virtual table TABLE_vec the vectors under the same rowid.

    Spoken to through apsw, which brings its own SQLite: that of many Pythons loads no extension.
    """

    kind: ClassVar[str] = "SQLite"

    def __init__(self, spelling: Spelling) -> None:
        super().__init__(spelling)
        try:
            import apsw
            import sqlite_vec
        except ImportError:
            raise not_installed(self.name, "sqlite-vec") from None
        self._apsw = apsw
        self._extension = sqlite_vec.loadable_path()
        self._path = Path(spelling.place)
        self._opened: apsw.Connection | None = None
        self._table, self._vectors = _quoted(spelling.table), _quoted(f"{spelling.table}_vec")
        self._convert: list[Callable[[Any], Any] | None] = []

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def count(self) -> int:
        """As the table with the vectors has it; -1 where the other one has another number."""
        with self._told():
            counts = [
                self._one(f"select count(*) from {name}")  # noqa: S608 - quoted, as everywhere here
                for name in (self._table, self._vectors)
            ]
        return int(counts[0]) if counts[0] == counts[1] else -1

    def columns(self, rows: Rows) -> dict[str, str]:
        """SQLite's types: integer, real, text and blob."""
        if rows.dimensions > _WIDEST:
            raise FilesError(
                f"sqlite-vec takes vectors of at most {_WIDEST:,} dimensions: these have "
                f"{rows.dimensions:,}. Embed with a smaller EMBEDDING_DIMENSIONS."
            )
        kept = {field.name: _type_and_value(field.type)[0] for field in rows.fields}
        refuse_clashes(kept, ("rowid", "vector"), "SQLite")
        return {**kept, "vector": f"float[{rows.dimensions}]"}

    def hint(self) -> str:
        """A query, in SQL."""
        table = self.spelling.table
        return (
            f'SELECT t.id, t.text, v.distance FROM "{table}_vec" v JOIN "{table}" t '  # noqa: S608
            "ON t.rowid = v.rowid WHERE v.vector MATCH :vector AND k = 5 ORDER BY v.distance"
        )

    # What UpsertingTarget asks for

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._told():
            connection = self._connection()
            connection.execute("begin immediate")
            try:
                yield
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("rollback")
                raise

    def _has_table(self) -> bool:
        if not self._path.exists():
            return False
        with self._told():
            return self._named(self.spelling.table) or self._named(f"{self.spelling.table}_vec")

    def _read_about(self) -> str | None:
        with self._told():
            if not self._named(ABOUT_TABLE):
                return None
            found = self._one(
                f"select about from {ABOUT_TABLE} where name = ?",  # noqa: S608
                self.spelling.table,
            )
            return None if found is None else str(found)

    def _write_about(self, about: str) -> None:
        self._connection().execute(
            f"insert or replace into {ABOUT_TABLE} (name, about) values (?, ?)",  # noqa: S608
            (self.spelling.table, about),
        )

    def _drop(self) -> None:
        for name in (self._table, self._vectors):
            self._connection().execute(f"drop table if exists {name}")

    def _make(self, rows: Rows) -> None:
        columns = ", ".join(self._definitions(rows))
        execute = self._connection().execute
        execute(f"create table if not exists {ABOUT_TABLE} (name text primary key, about text)")
        # A rowid with a name: VACUUM changes all others.
        execute(
            f"create table if not exists {self._table} "
            f"(rowid integer primary key, {columns}, unique (id, piece))"
        )
        execute(
            f"create virtual table if not exists {self._vectors} "
            f"using vec0(vector float[{rows.dimensions}] distance_metric=cosine)"
        )

    def _begin(self, rows: Rows) -> None:
        with self._told():
            connection = self._connection()
            columns = ", ".join([*self._definitions(rows), "vector blob not null"])
            for statement in (
                "drop table if exists temp.stage",
                "drop table if exists temp.seen",
                f"create temp table stage ({columns})",
                "create temp table seen (row integer primary key)",
            ):
                connection.execute(statement)
        names = [_quoted(field.name) for field in rows.fields]
        self._convert = [_type_and_value(field.type)[1] for field in rows.fields]
        marks = ", ".join("?" * (len(names) + 1))
        self._stage = f"insert into temp.stage values ({marks})"  # noqa: S608
        others = [name for name in names if name not in ('"id"', '"piece"')]
        set_all = ", ".join(f"{name} = excluded.{name}" for name in others)
        held = ", ".join(f"{self._table}.{name}" for name in others)
        new = ", ".join(f"excluded.{name}" for name in others)
        self._upsert = (
            f"insert into {self._table} ({', '.join(names)}) "  # noqa: S608
            f"select {', '.join(names)} from temp.stage where true "
            f"on conflict (id, piece) do update set {set_all} "
            f"where ({held}) is not ({new}) returning rowid"
        )

    def _put(self, batch: Any, vectors: NDArray[np.float32]) -> int:
        import numpy as np

        connection = self._connection()
        columns = [
            values if convert is None else [convert(one) for one in values]
            for convert, values in zip(
                self._convert, map(values_for_sql, batch.columns), strict=True
            )
        ]
        blobs = [row.tobytes() for row in np.ascontiguousarray(vectors, dtype="<f4")]
        connection.execute("delete from temp.stage")
        connection.executemany(self._stage, zip(*columns, blobs, strict=True))
        changed = {row for (row,) in connection.execute(self._upsert)}
        others = list(
            connection.execute(
                f"select t.rowid, s.vector from temp.stage s "  # noqa: S608
                f"cross join {self._table} t on t.id = s.id and t.piece = s.piece "
                f"left join {self._vectors} v on v.rowid = t.rowid "
                "where v.vector is not s.vector"
            )
        )
        # vec0 has no upsert.
        connection.executemany(
            f"delete from {self._vectors} where rowid = ?",  # noqa: S608
            [(row,) for row, _ in others],
        )
        connection.executemany(
            f"insert into {self._vectors} (rowid, vector) values (?, ?)",  # noqa: S608
            others,
        )
        connection.execute(
            "insert into temp.seen select t.rowid from temp.stage s "  # noqa: S608
            f"cross join {self._table} t on t.id = s.id and t.piece = s.piece"
        )
        return len(changed.union(row for row, _ in others))

    def _delete_unseen(self) -> int:
        connection = self._connection()
        gone = f"from {self._table} where rowid not in (select row from temp.seen)"  # noqa: S608
        connection.execute(
            f"delete from {self._vectors} where rowid in (select rowid {gone})"  # noqa: S608
        )
        connection.execute(f"delete {gone}")
        return int(connection.changes())

    # The connection

    def _connection(self) -> Any:
        if self._opened is None:
            try:
                self._path.absolute().parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FilesError(f"{self.name}: {error.strerror or error}") from None
            opened = self._apsw.Connection(str(self._path))
            self._opened = opened
            opened.set_busy_timeout(_PATIENCE_MS)
            opened.enable_load_extension(True)  # noqa: FBT003 - apsw takes it by position alone
            opened.load_extension(self._extension)
            opened.enable_load_extension(False)  # noqa: FBT003
        return self._opened

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._apsw.BusyError:
            raise FilesError(
                f"{self.name}: another program is writing this file. Try again when it has ended."
            ) from None
        except self._apsw.Error as error:
            raise FilesError(f"{self.name}: {error}") from None

    def _named(self, name: str) -> bool:
        found = self._one("select 1 from sqlite_master where lower(name) = lower(?)", name)
        return found is not None

    def _one(self, statement: str, *values: object) -> Any:
        row = self._connection().execute(statement, values).fetchone()
        return None if row is None else row[0]

    def _definitions(self, rows: Rows) -> list[str]:
        return [
            f"{_quoted(field.name)} {_type_and_value(field.type)[0]}"
            + ("" if field.nullable else " not null")
            for field in rows.fields
        ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _type_and_value(kind: Any) -> tuple[str, Callable[[Any], Any] | None]:
    """SQLite's type for an Arrow type, and what makes its value of Python's."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _type_and_value(kind.value_type)
    if kind == pa.uint64():
        return "blob", _whole  # SQLite's word for: values stay what they are
    for matches, name in (
        (types.is_boolean, "integer"),
        (types.is_integer, "integer"),
        (types.is_floating, "real"),
        (types.is_string, "text"),
        (types.is_large_string, "text"),
        (types.is_binary, "blob"),
        (types.is_large_binary, "blob"),
        (types.is_fixed_size_binary, "blob"),
    ):
        if matches(kind):
            return name, None
    return "text", _text


def _whole(value: int | None) -> int | str | None:
    """SQLite's integers have a sign: what is larger is kept as text."""
    return str(value) if value is not None and value >= _LARGEST else value


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, Decimal | dt.timedelta | str):
        return str(value)
    return json_text(value)
