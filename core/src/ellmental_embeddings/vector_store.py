"""One SQLite file of vectors by key: bounded, checksummed, for any number of processes.

Why SQLite: docs/explanation/decisions.md. Blocking; who calls from where is in vector_cache.py.
"""

from __future__ import annotations

import os
import sqlite3
import time
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["StoreBusy", "StoreFailed", "VectorStore"]

_APPLICATION = 0x656C6D63
"""``elmc``, in the file's header: tells our files from other people's databases."""

_FORMAT = 1
_PAGE = 8192
"""Bytes: five vectors of 384 numbers, or one of 1,536, with little left over."""

_DAY = 86_400
_LOT = 500
"""Keys in one query: below the 999 variables that old SQLite allows in one."""

_EVICTED = 1000
"""Rows thrown away in one transaction, so that other writers are not kept waiting."""

_CHECKSUM = 4

_TABLES = (
    "CREATE TABLE vectors (key BLOB NOT NULL UNIQUE, used INTEGER NOT NULL, vector BLOB NOT NULL)",
    "CREATE INDEX vectors_used ON vectors (used)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_FORMAT}",
)


class StoreFailed(Exception):
    """The file cannot be used; the message says why."""


class StoreBusy(StoreFailed):
    """The file is in use by others just now."""


class VectorStore:
    """An open file. One thread at a time may use it.

    Args:
        path: the file; made, with its folder, where it is not there.
        most_bytes: what its pages may hold; the vectors longest unused are thrown away beyond.
        patience: seconds to wait for other processes that write.

    Raises:
        StoreFailed: from every method.
    """

    def __init__(self, path: Path, most_bytes: int, *, patience: float) -> None:
        self._most_bytes = most_bytes
        with _translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Vectors tell something about their texts: they are the owner's alone.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._base = sqlite3.connect(
                path, timeout=patience, isolation_level=None, check_same_thread=False
            )
        try:
            with _translated():
                self._prepare(patience)
        except BaseException:
            self.close()
            raise

    def _prepare(self, patience: float) -> None:
        if self._is_new():
            self._base.execute(f"PRAGMA page_size = {_PAGE}")
            self._switch_to_log(patience)
            with self._transaction():
                if self._is_new():  # another process may have been faster
                    for statement in _TABLES:
                        self._base.execute(statement)
        if self._number("PRAGMA user_version") != _FORMAT:
            raise StoreFailed("another version of this library made it")
        self._base.execute("PRAGMA synchronous = NORMAL")
        self._base.execute(f"PRAGMA journal_size_limit = {8 * 1024 * 1024}")

    def _is_new(self) -> bool:
        application = self._number("PRAGMA application_id")
        if application == _APPLICATION:
            return False
        if application or self._number("SELECT count(*) FROM sqlite_master"):
            if self._number("PRAGMA application_id") == _APPLICATION:  # made between the questions
                return False
            raise StoreFailed("it is a database of something else")
        return True

    def _switch_to_log(self, patience: float) -> None:
        """Write-ahead logging: readers wait for nobody, and a kill leaves the file whole."""
        until = time.monotonic() + patience
        while True:  # SQLite does not wait here by itself when two processes switch at once
            try:
                self._base.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
            else:
                return

    def find(self, keys: Sequence[bytes]) -> tuple[dict[bytes, memoryview], list[bytes]]:
        """Look keys up.

        Returns:
            Key -> its vector's bytes, for those whose checksum holds; and which of them were
            not used today yet: to be touched.
        """
        found, stale = {}, []
        today = _today()
        for start in range(0, len(keys), _LOT):
            lot = keys[start : start + _LOT]
            marks = ",".join("?" * len(lot))
            query = f"SELECT key, used, vector FROM vectors WHERE key IN ({marks})"  # noqa: S608
            with _translated():
                rows = self._base.execute(query, lot).fetchall()
            for key, used, stored in rows:
                if not isinstance(stored, bytes):
                    continue
                vector = memoryview(stored)[:-_CHECKSUM]
                if stored[-_CHECKSUM:] == _checksum(key, vector):
                    found[key] = vector
                    if used != today:
                        stale.append(key)
        return found, stale

    def put(self, rows: Mapping[bytes, bytes | memoryview], used: Sequence[bytes] = ()) -> None:
        """Write vectors, and note which others were used; all of it, or nothing.

        Args:
            rows: key -> its vector's bytes.
            used: keys that were found, and not used today before.
        """
        today = _today()
        with _translated():
            with self._transaction():
                self._base.executemany(
                    "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                    (
                        (key, today, b"".join((vector, _checksum(key, vector))))
                        for key, vector in rows.items()
                    ),
                )
                self._base.executemany(
                    "UPDATE vectors SET used = ? WHERE key = ?", ((today, key) for key in used)
                )
            self._evict()

    def _evict(self) -> None:
        while self._bytes() > self._most_bytes:
            with self._transaction():
                gone = self._base.execute(
                    "DELETE FROM vectors WHERE rowid IN "
                    "(SELECT rowid FROM vectors ORDER BY used, rowid LIMIT ?)",
                    (_EVICTED,),
                )
            if not gone.rowcount:
                return

    def _bytes(self) -> int:
        pages = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        return pages * self._number("PRAGMA page_size")

    def _number(self, query: str) -> int:
        return int(self._base.execute(query).fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has rolled it back already
                self._base.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file. Raises nothing."""
        with suppress(sqlite3.Error):
            self._base.close()


def _checksum(key: bytes, vector: bytes | memoryview) -> bytes:
    return zlib.crc32(vector, zlib.crc32(key)).to_bytes(_CHECKSUM, "little")


def _today() -> int:
    return int(time.time()) // _DAY


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        busy = "locked" in str(error) or "busy" in str(error)
        raise (StoreBusy if busy else StoreFailed)(str(error)) from None
    except sqlite3.Error as error:
        raise StoreFailed(str(error)) from None
    except OSError as error:
        raise StoreFailed(error.strerror or str(error)) from None
