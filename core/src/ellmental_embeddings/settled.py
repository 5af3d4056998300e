"""What something came to: told once, on one thread, and waited for on any."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Settled"]

T = TypeVar("T")

_LOOK = 1.0
"""Seconds after which whoever waits looks again, should nobody have woken it."""


class Settled(Generic[T]):
    """A result or an error, once it is there. The first that is told counts.

    Not ``concurrent.futures.Future``: it enters its condition in Python code. Ctrl-C that is
    raised there, after the lock was taken, leaves it taken for good, and the loop's thread, which
    is to tell the result, would stand still for ever. Here every step that two threads share is
    one operation on a dict or on a bare lock, which Python finishes before it raises anything.
    """

    def __init__(self) -> None:
        self._outcome: dict[None, tuple[T, None] | tuple[None, BaseException]] = {}
        self._waiting: dict[object, Callable[[], object]] = {}

    def done(self) -> bool:
        """Whether it is there."""
        return bool(self._outcome)

    def succeed(self, result: T) -> None:
        """Tell a result."""
        self._outcome.setdefault(None, (result, None))
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Tell an error."""
        self._outcome.setdefault(None, (None, error))
        self._wake()

    def when_done(self, callback: Callable[[], object]) -> object:
        """Call this once it is there, at once where it is; on whatever thread that is.

        Returns:
            What ``forget`` takes.
        """
        mark = object()
        self._waiting[mark] = callback
        if self._outcome:  # perhaps told between the two
            self._wake()
        return mark

    def forget(self, mark: object) -> None:
        """Do not call it any more."""
        self._waiting.pop(mark, None)

    def _wake(self) -> None:
        while self._waiting:
            try:
                _, callback = self._waiting.popitem()
            except KeyError:  # another thread took the last
                return
            callback()

    def wait(self, timeout: float | None = None) -> T:
        """Block this thread until it is there.

        Raises:
            TimeoutError: when it is not within ``timeout`` seconds.
        """
        if not self._outcome:
            self._block(None if timeout is None else time.monotonic() + timeout)
        result, error = self._outcome[None]
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # beside no error stands a result

    def _block(self, until: float | None) -> None:
        bell = threading.Lock()
        bell.acquire()

        def ring() -> None:
            with suppress(RuntimeError):
                bell.release()

        mark = self.when_done(ring)
        try:
            while not self._outcome:
                left = _LOOK if until is None else until - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                bell.acquire(timeout=min(left, _LOOK))
        finally:
            self.forget(mark)
