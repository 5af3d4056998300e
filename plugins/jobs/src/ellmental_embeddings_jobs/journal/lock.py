"""One process to one output: a lock of the system, which no kill -9 leaves behind."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..dataset.files import made_folder
from ..errors import FilesError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

__all__ = ["OutputLock"]


class OutputLock:
    """Holds ``.OUT.lock`` beside OUT while a job writes it.

    The file says who holds it, for people. What counts is the system's lock on it: a process
    that dies, however it dies, lets go of it, and the next one takes the file over.
    """

    def __init__(self, out: Path) -> None:
        absolute = out.absolute()
        self._out = out
        self._path = absolute.with_name(f".{absolute.name}.lock")
        self._handle: int | None = None

    def __enter__(self) -> Self:
        """Take it.

        Raises:
            FilesError: another process has it; says which.
        """
        try:
            made_folder(self._path.parent)
            self._take()
        except OSError as error:
            raise FilesError(
                f"{self._out.as_posix()} cannot be written: {error.strerror or error}"
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._handle is None:
            return
        if os.name == "posix":  # Windows removes no file that is open
            self._path.unlink(missing_ok=True)
        os.close(self._handle)
        self._handle = None
        with suppress(OSError):
            if os.name != "posix":
                self._path.unlink(missing_ok=True)

    def _take(self) -> None:
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(handle)
                # Whoever held it may have removed the file between these two steps: a lock on
                # a file without a name keeps nobody out.
                held = self._path.exists() and os.path.samestat(os.fstat(handle), self._path.stat())
            except BlockingIOError:
                holder = _read(handle)
                os.close(handle)
                raise self._held(holder) from None
            except BaseException:
                os.close(handle)
                raise
            if held:
                self._handle = handle
                os.ftruncate(handle, 0)
                os.write(handle, _about_me())
                return
            os.close(handle)

    def _held(self, holder: dict[str, Any]) -> FilesError:
        who = "Another process"
        if "pid" in holder:
            who = f"Process {holder['pid']} on {holder.get('host')}, since {holder.get('since')},"
        return FilesError(
            f"{who} is writing {self._out.as_posix()}. Wait for it to end, or stop it, and run "
            "this again; or choose another --output."
        )


def _about_me() -> bytes:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode()


def _read(handle: int) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(os.pread(handle, 4096, 0))
        if isinstance(found, dict):
            return found
    return {}


def _lock(handle: int) -> None:
    """Take the system's lock on an open file, or raise BlockingIOError."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            os.lseek(handle, 1 << 30, os.SEEK_SET)  # beyond what is read
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            raise BlockingIOError from None
        os.lseek(handle, 0, os.SEEK_SET)
        return
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
