"""One event loop in one thread: where a generator's backend lives.

SDK clients and connection pools belong to the loop they were first used on. With a loop of its
own a generator works in a script, in threads, in a notebook whose loop already runs, and over
several ``asyncio.run``, and all of them share its connections.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
import os
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from .errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Any

__all__ = ["Call", "LoopThread", "end_all", "end_all_async"]

T = TypeVar("T")

log = logging.getLogger("ellmental_embeddings")

_PATIENCE = 10.0
"""Seconds that closing waits for calls that were cancelled, and for connections to close."""


class Call(Generic[T]):
    """A coroutine that runs on the loop's thread; any thread or loop may wait for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> None:
        self._loop = loop
        self._task: asyncio.Task[T] | None = None
        self._cancelled = False
        self._settled: concurrent.futures.Future[T] = concurrent.futures.Future()
        context = contextvars.copy_context()
        loop.call_soon_threadsafe(self._start, coroutine, context)

    def _start(self, coroutine: Coroutine[Any, Any, T], context: contextvars.Context) -> None:
        self._task = self._loop.create_task(coroutine, context=context)
        self._task.add_done_callback(self._settle)
        if self._cancelled:
            self._task.cancel()

    def _settle(self, task: asyncio.Task[T]) -> None:
        if self._settled.done():
            return
        if task.cancelled():
            self.abandon()
        elif (error := task.exception()) is not None:
            self._settled.set_exception(error)
        else:
            self._settled.set_result(task.result())

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._settled.done()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call this once it has ended, at once where it has; on whatever thread that is."""
        self._settled.add_done_callback(lambda _: callback())

    def abandon(self) -> None:
        """Whoever waits for it need not wait any longer: it will not end in time, or not at all."""
        if not self._settled.done():
            self._settled.set_exception(EmbeddingError("the generator was closed during the call"))

    def cancel(self) -> None:
        """Ask it to end; it has ended when ``wait`` returns or raises."""
        self._cancelled = True
        if self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)

    def wait(self, timeout: float | None = None) -> T:
        """Block this thread until it has ended.

        Raises:
            TimeoutError: when it has not within ``timeout`` seconds.
        """
        return self._settled.result(timeout)

    async def wait_async(self) -> T:
        """Wait for it on the running loop. Being cancelled does not cancel it."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        loop = waiter.get_loop()

        def settle() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def wake(_: concurrent.futures.Future[T]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle)

        self._settled.add_done_callback(wake)
        await waiter
        return self._settled.result()


class LoopThread:
    """An event loop that runs in a daemon thread until it is closed."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="ellmental-loop", daemon=True)
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._closing = False
        self._calls: weakref.WeakSet[Call[Any]] = weakref.WeakSet()
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> Call[T]:
        """Start a coroutine on the loop, in the caller's context.

        Raises:
            EmbeddingError: when it is being closed.
            RuntimeError: when called on the loop's own thread, which waiting would block.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("a backend cannot call the generator that it works for")
        with self._lock:
            if self._closing:
                coroutine.close()
                raise EmbeddingError("the generator is closed: load it again")
            call = Call(self.loop, coroutine)
            self._calls.add(call)
        return call

    def soon(self, callback: Callable[[], object]) -> None:
        """Call this on the loop, soon; nothing happens where it is closed already."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancel what runs, run ``last``, and end the thread. Further calls do nothing."""
        with self._lock:
            if self._closing or self._process != os.getpid():  # a fork has no such thread
                return
            self._closing = True
        if threading.current_thread() is self._thread:  # collected as garbage on the loop itself
            closing = self.loop.create_task(self._drain(last))
            closing.add_done_callback(lambda _: self.loop.stop())
            return
        with suppress(TimeoutError):  # a daemon thread: it does not keep the program alive
            Call(self.loop, self._drain(last)).wait(_PATIENCE * 3)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_PATIENCE)
        if not self._thread.is_alive():
            self.loop.close()
        for call in list(self._calls):
            call.abandon()

    async def _drain(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        current = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not current]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE)
        try:
            async with asyncio.timeout(_PATIENCE):
                await last()
        except Exception as error:  # noqa: BLE001 - closing goes on, whatever a plugin does
            # Its message may show anything, a key too; its kind does not.
            log.warning("closing the backend failed: %s", type(error).__name__)
        await self.loop.shutdown_asyncgens()


def end_all(calls: Iterable[Call[T]]) -> list[T]:
    """Cancel calls, wait until they have ended, and return what those came to that return."""
    waiting, results = list(calls), []
    for call in waiting:
        call.cancel()
    for call in waiting:
        with suppress(Exception, asyncio.CancelledError):  # nobody asks how it failed
            results.append(call.wait(_PATIENCE))
    return results


async def end_all_async(calls: Iterable[Call[T]]) -> list[T]:
    """``end_all`` without blocking the running loop."""
    waiting, results = list(calls), []
    for call in waiting:
        call.cancel()
    for call in waiting:
        with suppress(Exception, asyncio.CancelledError):
            results.append(await call.wait_async())
    return results
