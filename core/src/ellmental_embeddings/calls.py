"""A call that runs on another thread's event loop, and how to end calls for good.

Whoever waits may be interrupted at any moment: Ctrl-C raises wherever the main thread stands. So
a Call exists, and can be cancelled, before it is started, and its coroutine is made on the loop
alone: there is no moment at which one could run on unheard, or be thrown away unawaited.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from .errors import EmbeddingError
from .settled import Settled

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Any

__all__ = ["PATIENCE", "Call", "end_all", "end_all_async"]

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds to wait for what was cancelled to end. A plugin that ignores that is not waited for."""


class Call(Generic[T]):
    """A coroutine that runs on a loop's thread; any thread or loop may wait for it."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[T] | None = None
        self._thread: int | None = None
        self._cancelled = False
        self._settled: Settled[T] = Settled()
        self._running: set[Call[Any]] = set()

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        make: Callable[[], Coroutine[Any, Any, T]],
        running: set[Call[Any]] | None = None,
    ) -> None:
        """Run the coroutine that ``make`` makes, on the loop, in the caller's context.

        Args:
            loop: it runs in another thread.
            make: called on the loop.
            running: where this call stands until it has ended. No weak set: Ctrl-C that comes
                while one forgets a member is printed and swallowed.
        """
        context = contextvars.copy_context()
        if running is not None:
            self._running = running
            running.add(self)
        self._loop = loop
        loop.call_soon_threadsafe(self._start, make, context)

    def _start(
        self, make: Callable[[], Coroutine[Any, Any, T]], context: contextvars.Context
    ) -> None:
        assert self._loop is not None
        self._thread = threading.get_ident()
        if self._cancelled:
            self.abandon()
            return
        self._task = self._loop.create_task(make(), context=context)
        self._task.add_done_callback(self._settle)

    def _settle(self, task: asyncio.Task[T]) -> None:
        # Let go of here, on the loop's thread: a task that dies elsewhere leaves asyncio's weak set
        # there, and Ctrl-C in that moment is printed and swallowed.
        self._task = None
        if self._settled.done():
            return
        self._running.discard(self)
        if task.cancelled():
            self.abandon()
        elif (error := task.exception()) is not None:
            self._settled.fail(error)
        else:
            self._settled.succeed(task.result())

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._settled.done()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call this once it has ended, at once where it has; on whatever thread that is."""
        self._settled.when_done(callback)

    def ends_within(self, seconds: float) -> bool:
        """Wait for its end for so many seconds; whether it has ended then.

        Raises:
            RuntimeError: as ``wait``.
        """
        with suppress(TimeoutError, EmbeddingError):  # how it ended is for ``wait`` to say
            self.wait(seconds)
        return self.done()

    def abandon(self) -> None:
        """Whoever waits for it need not wait any longer: it will not end in time, or not at all."""
        self._running.discard(self)
        if not self._settled.done():
            self._settled.fail(EmbeddingError("the generator was closed during the call"))

    def cancel(self) -> None:
        """Ask it to end; it has ended when ``wait`` returns or raises. Never to begin, if not."""
        self._cancelled = True
        if self._loop is None or self._loop.is_closed():
            self.abandon()
        else:
            with suppress(RuntimeError):  # closed just now: LoopThread.close abandons it
                self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is None:
            self.abandon()
        else:
            self._task.cancel()

    def wait(self, timeout: float | None = None) -> T:
        """Block this thread until it has ended.

        Raises:
            TimeoutError: when it has not within ``timeout`` seconds.
            RuntimeError: on the loop's own thread, where it would wait for itself.
        """
        if not self.done() and self._thread == threading.get_ident():
            raise RuntimeError("the loop's own thread cannot wait for what runs on it")
        return self._settled.wait(timeout)

    async def wait_async(self, at_most: float | None = None) -> T:
        """Wait for it on the running loop. Being cancelled does not cancel it.

        Raises:
            TimeoutError: when it has not ended within ``at_most`` seconds.
        """
        await self.ended(at_most)
        return self._settled.wait(0)

    async def ended(self, at_most: float | None = None) -> None:
        """Wait on the running loop until it has ended, however it did, or time is over."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        loop = waiter.get_loop()

        def settle() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def wake() -> None:
            with suppress(RuntimeError):  # the waiting loop was closed meanwhile
                loop.call_soon_threadsafe(settle)

        mark = self._settled.when_done(wake)
        try:
            if at_most is None:
                await waiter
            else:
                await asyncio.wait([waiter], timeout=at_most)
        finally:
            self._settled.forget(mark)


def end_all(calls: Iterable[Call[T]]) -> list[T]:
    """Cancel calls, wait until they have ended, and return what those came to that return."""
    waiting, results = list(calls), []
    for call in waiting:
        call.cancel()
    until = time.monotonic() + PATIENCE
    for call in waiting:
        with suppress(Exception):  # nobody asks how it failed
            results.append(call.wait(max(0.0, until - time.monotonic())))
    return results


async def end_all_async(
    calls: Iterable[Call[T]], *, during: BaseException | None = None
) -> list[T]:
    """``end_all`` without blocking the running loop.

    A cancellation in the meantime does not cut it short.

    Args:
        calls: the calls.
        during: what is being raised already.

    Raises:
        CancelledError: at the end, if it came in the meantime, and ``during`` is none itself.
    """
    waiting, results = list(calls), []
    for call in waiting:
        call.cancel()
    until = time.monotonic() + PATIENCE
    cancelled: asyncio.CancelledError | None = None
    for call in waiting:
        while not call.done() and (left := until - time.monotonic()) > 0:
            try:
                with suppress(Exception):
                    await call.wait_async(left)
            except asyncio.CancelledError as error:
                cancelled = error
        with suppress(Exception):
            results.append(call.wait(0))
    if cancelled is not None and not isinstance(during, asyncio.CancelledError):
        raise cancelled
    return results
