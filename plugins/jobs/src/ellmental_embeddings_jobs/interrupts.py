"""Ctrl-C and SIGTERM: the first lets a job run out, the second ends it at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType
    from typing import Any, Self

__all__ = ["Interrupts", "ReadingStopped"]

_SAID = "\nStopping: requests in flight are awaited. Once more stops at once.\n"


class ReadingStopped(Exception):
    """Ends reading where the first signal came; what was read and sent is still finished."""


class Interrupts:
    """Takes over SIGINT and SIGTERM while it is entered, where they are Python's to take.

    In a thread, or where a signal is ignored (``nohup``), it changes nothing.

    Attributes:
        stopped_by: number of the first signal that came while something could run out.
        reading: True while input is being read, which may block: the first signal ends that.
    """

    def __init__(self) -> None:
        self.stopped_by: int | None = None
        self.reading = False
        self._run_out: Callable[[], object] | None = None
        self._shields = 0
        self._pending: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number, usual in (
                (signal.SIGINT, signal.default_int_handler),
                (signal.SIGTERM, signal.SIG_DFL),
            ):
                if signal.getsignal(number) is usual:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def run_out_by(self, call: Callable[[], object]) -> None:
        """What the first signal calls, from within the signal handler."""
        self._run_out = call

    def end(self) -> NoReturn:
        """Raise what the first signal means once its job has run out.

        Raises:
            KeyboardInterrupt: for SIGINT.
            SystemExit: for SIGTERM, with the exit code that shells have for it.
        """
        _end(self.stopped_by or signal.SIGINT)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Hold a second signal back within the block, and let it through at the end."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if self._pending is not None and not self._shields:
            number, self._pending = self._pending, None
            _end(number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._run_out is not None and self.stopped_by is None:
            self.stopped_by = number
            self._run_out()
            with suppress(OSError):  # no stream of Python's may be used within a handler
                os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _SAID.encode())
            if self.reading:
                raise ReadingStopped
        elif self._shields:
            self._pending = number
        else:
            _end(number)


def _end(number: int) -> NoReturn:
    if number == signal.SIGTERM:
        raise SystemExit(128 + number)
    raise KeyboardInterrupt
