"""Ctrl-C comes through while a job waits or reads, and waits while rows are being put away."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType
    from typing import Self

__all__ = ["Interrupts"]


class Interrupts:
    """Takes over SIGINT while it is entered, where that is Python's to take.

    In a thread, or where SIGINT is ignored (``nohup``), it changes nothing.
    """

    def __init__(self) -> None:
        self._shields = 0
        self._pending = False
        self._taken = False

    def __enter__(self) -> Self:
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._taken = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._taken:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._taken = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if not self._shields:
            raise KeyboardInterrupt
        self._pending = True

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Hold Ctrl-C back within the block; raise it at its end.

        Raises:
            KeyboardInterrupt: at the end, where Ctrl-C came in between.
        """
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if self._pending and not self._shields:
            self._pending = False
            raise KeyboardInterrupt
