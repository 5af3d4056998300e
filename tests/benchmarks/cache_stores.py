"""Stores that the cache of vectors could be built on, side by side: CPU a hit and a write, size.

    pip install lmdb diskcache
    python3 tests/benchmarks/cache_stores.py [--rows 50000]

Vectors of 384 float32 under keys of 32 random bytes; hits in lots of 400 random keys, as the
engine asks for them. CPU time of the process, so that a busy machine does not matter much.
Safety and bounds are not measured here; docs/explanation/decisions.md speaks of them.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Protocol

VECTOR_BYTES = 384 * 4
LOT = 400


class Store(Protocol):
    """What is measured of each."""

    def put(self, rows: list[tuple[bytes, bytes]]) -> None:
        """Write rows as one transaction."""

    def get(self, keys: list[bytes]) -> int:
        """Read rows; returns how many were there."""


class Sqlite:
    """The standard library's, write-ahead log, a table with an index over the keys."""

    def __init__(self, folder: Path) -> None:
        self.base = sqlite3.connect(folder / "cache.sqlite", isolation_level=None)
        self.base.execute("PRAGMA page_size=8192")
        self.base.execute("PRAGMA journal_mode=WAL")
        self.base.execute("PRAGMA synchronous=NORMAL")
        self.base.execute("CREATE TABLE v (key BLOB NOT NULL UNIQUE, used INTEGER, data BLOB)")
        self.base.execute("CREATE INDEX v_used ON v (used)")

    def put(self, rows: list[tuple[bytes, bytes]]) -> None:
        """One transaction."""
        self.base.execute("BEGIN IMMEDIATE")
        self.base.executemany("INSERT OR REPLACE INTO v VALUES (?, 0, ?)", rows)
        self.base.execute("COMMIT")

    def get(self, keys: list[bytes]) -> int:
        """One query."""
        marks = ",".join("?" * len(keys))
        return len(self.base.execute(f"SELECT * FROM v WHERE key IN ({marks})", keys).fetchall())


class Lmdb:
    """A memory-mapped B-tree; its largest size has to be said beforehand."""

    def __init__(self, folder: Path) -> None:
        import lmdb

        self.base = lmdb.open(str(folder), map_size=2**32, metasync=False)

    def put(self, rows: list[tuple[bytes, bytes]]) -> None:
        """One transaction."""
        with self.base.begin(write=True) as transaction, transaction.cursor() as cursor:
            cursor.putmulti(rows)

    def get(self, keys: list[bytes]) -> int:
        """One transaction."""
        with self.base.begin() as transaction, transaction.cursor() as cursor:
            return len(cursor.getmulti(keys))


class DiskCache:
    """SQLite with an eviction of its own, one statement a key."""

    def __init__(self, folder: Path) -> None:
        import diskcache

        self.base = diskcache.Cache(str(folder))

    def put(self, rows: list[tuple[bytes, bytes]]) -> None:
        """One transaction."""
        with self.base.transact():
            for key, value in rows:
                self.base.set(key, value)

    def get(self, keys: list[bytes]) -> int:
        """One statement a key: it has no other way."""
        return sum(self.base.get(key) is not None for key in keys)


def measure(kind: Any, rows: int) -> str:
    """One line of the table."""
    folder = Path(tempfile.mkdtemp(prefix="cache-stores-"))
    try:
        store: Store = kind(folder)
        keys = [os.urandom(32) for _ in range(rows)]
        began = time.process_time()
        for start in range(0, rows, LOT):
            store.put([(key, key * (VECTOR_BYTES // 32)) for key in keys[start : start + LOT]])
        written = time.process_time() - began
        asked = [random.sample(keys, LOT) for _ in range(rows // LOT)]
        began = time.process_time()
        found = sum(store.get(lot) for lot in asked)
        read = time.process_time() - began
        assert found == len(asked) * LOT
        size = sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())
        each = 1e6 / rows
        return (
            f"{kind.__name__:10} {read * each:6.1f} us a hit {written * each:6.1f} us a write "
            f"{size / rows:7.0f} bytes a row"
        )
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Measure what is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    rows = parser.parse_args().rows
    for kind in (Sqlite, Lmdb, DiskCache):
        try:
            print(measure(kind, rows), flush=True)
        except ImportError as error:
            print(f"{kind.__name__:10} not measured: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
