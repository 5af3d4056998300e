"""One ledger of several processes: a small file, locked for the microseconds that it takes.

The lock is the operating system's own (flock; on Windows a locked byte), so it ends with the
process that holds it, however that ends. What is written is true by itself, slot by slot:
whatever a process was killed in, the next one finds at most a request miscounted, for a minute.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from .engine.ledger import SLOTS, Ledger
from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["SharedLedger"]

_HEAD = struct.Struct("<8sd")
_MAGIC = b"ellmlim1"
_SIZE = _HEAD.size + SLOTS * 3 * 8

_TRIES = 20
_BETWEEN = 0.0005
"""How often, and after how many seconds, the lock is tried again before others go first."""

_LONGEST_PAUSE = 3600.0
"""Seconds. A pause that ends later was written before the clock was set back."""


class SharedLedger(Ledger):
    """A ledger in a file.

    Args:
        path: the file; made where it is missing, made anew where it is something else.
        clock: seconds, the same for all processes, and after a restart of the machine.

    Raises:
        ConfigurationError: from every method, where the file cannot be read and written.
    """

    shared = True

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._path = path
        self._clock = clock
        with self.held(0.0):
            pass

    @contextmanager
    def held(self, now: float) -> Iterator[float | None]:  # noqa: ARG002 - has its own clock
        """As the base's; what is changed meanwhile is written at the end."""
        with _translated(self._path.parent), self._held() as at:
            yield at

    @contextmanager
    def _held(self) -> Iterator[float | None]:
        # Opened each time: a descriptor that a fork inherits would share its lock.
        try:
            descriptor = self._opened()
        except FileNotFoundError:  # at first; and where somebody cleared the folder away
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = self._opened()
        try:
            if not _locked(descriptor):
                yield None
                return
            self._read(descriptor)
            before = self.slots.copy()
            pause = self.not_before
            yield self._clock()
            if pause != self.not_before:
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.write(descriptor, _HEAD.pack(_MAGIC, self.not_before))
            for row in np.flatnonzero((before != self.slots).any(axis=1)).tolist():
                os.lseek(descriptor, _HEAD.size + row * 24, os.SEEK_SET)
                os.write(descriptor, self.slots[row].astype("<i8").tobytes())
        finally:
            os.close(descriptor)  # and with it goes the lock

    def _opened(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        return os.open(self._path, flags, 0o600)

    def _read(self, descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        content = os.read(descriptor, _SIZE)
        if len(content) != _SIZE or content[:8] != _MAGIC:
            fresh = Ledger()
            content = _HEAD.pack(_MAGIC, fresh.not_before) + fresh.slots.astype("<i8").tobytes()
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, content)
        _, self.not_before = _HEAD.unpack_from(content)
        if not self.not_before < self._clock() + _LONGEST_PAUSE:
            self.not_before = float("-inf")
        numbers = np.frombuffer(content, dtype="<i8", offset=_HEAD.size)
        self.slots = numbers.astype(np.int64).reshape(SLOTS, 3)


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"EMBEDDING_SHARED_LIMITS={folder}: {error.strerror or error}. Name a folder on a "
            "local disk that may be written to."
        ) from None


def _locked(descriptor: int) -> bool:
    for attempt in range(_TRIES):
        try:
            _lock(descriptor)
        except OSError:
            if attempt + 1 < _TRIES:
                time.sleep(_BETWEEN)
        else:
            return True
    return False


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # A byte beyond the content: Windows keeps even its owner from reading a locked one.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
