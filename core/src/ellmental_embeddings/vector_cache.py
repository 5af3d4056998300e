"""EMBEDDING_CACHE: vectors kept in a file, over calls, processes and jobs.

Reads block their caller, which is a thread of the engine's. Writes go to a thread of their own
and are found from the moment they are handed over. Whatever goes wrong with the file is said
once, and then texts are sent as without a cache: it never costs a call, and never its vectors.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from .vector_store import StoreBusy, StoreFailed, VectorStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["FileCache"]

T = TypeVar("T")

log = logging.getLogger("ellmental_embeddings")

_BACKLOG = 64 * 1024 * 1024
"""Bytes that may wait to be written before lookups wait for the writer: bounds the memory."""

_PATIENCE = 10.0
"""Seconds to wait for other processes, for the writer, and at the end for what is not written."""

_PAUSE = 0.02
"""Seconds between two tries at a file that others keep, where SQLite does not wait by itself."""


class FileCache:
    """A VectorCache over one file. Opens it when it is first needed.

    Args:
        path: the file.
        most_bytes: its bound.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._opening = threading.Lock()
        self._reading = threading.Lock()
        self._reader: VectorStore | None = None
        self._changed = threading.Condition()
        # Guarded by _changed from here on.
        self._waiting: dict[bytes, bytes | memoryview] = {}
        self._being_written: dict[bytes, bytes | memoryview] = {}
        self._stale: list[bytes] = []
        self._used: list[bytes] = []
        self._backlog = 0
        self._writer: threading.Thread | None = None
        self._closing = False
        self._broken = False

    def find(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes | memoryview]:
        """What is known of these keys, written already or not."""
        with self._changed:
            self._changed.wait_for(lambda: self._backlog < _BACKLOG or self._broken, _PATIENCE)
            fresh = {
                key: value
                for key in keys
                if (value := self._waiting.get(key) or self._being_written.get(key)) is not None
            }
        rest = [key for key in keys if key not in fresh] if fresh else keys
        stored, stale = self._read(rest) if rest else ({}, [])
        if stale:
            with self._changed:
                self._stale += stale
                self._wake()
        return {**stored, **fresh}

    def at_once(self) -> bool:
        """Whether the file is open, nobody is reading it, and the writer is not behind."""
        ready = self._reader is not None or self._broken
        return ready and not self._reading.locked() and self._backlog < _BACKLOG

    def put(self, rows: Mapping[bytes, bytes | memoryview]) -> None:
        """Take rows to be written soon."""
        if self._broken:
            return
        with self._changed:
            self._waiting.update(rows)
            self._backlog += sum(map(len, rows.values()))
            self._wake()

    def close(self) -> None:
        """Write what waits, for some seconds at most, and close the file."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            writer = self._writer
        if writer is not None:
            writer.join(_PATIENCE)
            if writer.is_alive():
                self._say("it is written too slowly; its last vectors are given up")
        with self._reading:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def _read(self, keys: Sequence[bytes]) -> tuple[dict[bytes, memoryview], list[bytes]]:
        with self._reading:
            if self._broken or self._closing:
                return {}, []
            return self._tried(lambda: self._opened_reader().find(keys), 1.0) or ({}, [])

    def _opened_reader(self) -> VectorStore:
        if self._reader is None:
            self._reader = self._opened(1.0)
        return self._reader

    def _opened(self, patience: float) -> VectorStore:
        with self._opening:  # reader and writer would be in each other's way while it is made
            return VectorStore(self._path, self._most_bytes, patience=patience)

    def _tried(self, step: Callable[[], T], patience: float) -> T | None:
        """Do something with the file; a failure is said, and is the last thing done with it."""
        until = time.monotonic() + patience
        try:
            while True:
                try:
                    return step()
                except StoreBusy:
                    if time.monotonic() > until:
                        raise
                    time.sleep(_PAUSE)
        except StoreBusy as error:
            self._say(f"{error}: another process keeps it; some texts are sent again")
        except StoreFailed as error:
            self._say(
                f"{error}. Texts are sent as without a cache. Name another file, make room, or, "
                "if it is a cache of this library, delete it to begin anew"
            )
            with self._changed:
                self._broken = True
                self._changed.notify_all()
        return None

    def _say(self, reason: str) -> None:
        log.warning("EMBEDDING_CACHE=%s: %s", self._path, reason)

    # From here on: the writer.

    def _wake(self) -> None:
        if self._writer is None and not self._closing:
            self._writer = threading.Thread(target=self._write_all, name="ellmental-cache")
            self._writer.daemon = True
            self._writer.start()
        self._changed.notify_all()

    def _write_all(self) -> None:
        store: VectorStore | None = None
        while self._take():
            if store is None:
                store = self._tried(self._opened_writer, _PATIENCE)
            if store is not None:
                self._tried(self._writing(store), _PATIENCE)
            with self._changed:
                self._being_written, self._backlog = {}, self._size_of_waiting()
                self._changed.notify_all()
        if store is not None:
            store.close()

    def _opened_writer(self) -> VectorStore:
        return self._opened(_PATIENCE)

    def _writing(self, store: VectorStore) -> Callable[[], None]:
        rows, used = self._being_written, self._used
        return lambda: store.put(rows, used)

    def _take(self) -> bool:
        """Wait for something to write; False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stale or self._closing)
            if self._broken:
                self._waiting, self._stale, self._backlog = {}, [], 0
                return False
            self._being_written, self._waiting = self._waiting, {}
            self._used, self._stale = self._stale, []
            return bool(self._being_written or self._used)

    def _size_of_waiting(self) -> int:
        return sum(map(len, self._waiting.values()))
