"""One event loop in one thread: where a generator's backend lives.

SDK clients and connection pools belong to the loop they were first used on. With a loop of its
own a generator works in a script, in threads, in a notebook whose loop already runs, and over
several ``asyncio.run``, and all of them share its connections.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from .calls import PATIENCE, Call
from .errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from .engine.run import Engine

__all__ = ["LoopThread", "shut"]

T = TypeVar("T")

log = logging.getLogger("ellmental_embeddings")

_HURRY = 2.0
"""Seconds that closing may still take after Ctrl-C."""


class LoopThread:
    """An event loop that runs in a daemon thread until it is closed."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="ellmental-loop", daemon=True)
        self.process = os.getpid()
        self._lock = threading.Lock()
        self._closing = False
        self._calls: set[Call[Any]] = set()
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def start(self, call: Call[T], make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Start a call with the coroutine that ``make`` makes on the loop.

        Raises:
            EmbeddingError: when it is being closed.
            RuntimeError: when called on the loop's own thread, which waiting would block.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("a backend cannot call the generator that it works for")
        with self._lock:
            if self._closing:
                raise EmbeddingError("the generator is closed: load it again")
            call.start(self.loop, make, self._calls)

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What a coroutine returns; whatever ends the waiting ends it, too."""
        call: Call[T] = Call()
        try:
            self.start(call, make)
            return call.wait()
        finally:
            if not call.done():
                call.cancel()

    def soon(self, callback: Callable[[], object]) -> None:
        """Call this on the loop, soon; nothing happens where it is closed already."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancel what runs, run ``last``, and end the thread. Further calls do nothing.

        Ctrl-C meanwhile does not leave it half closed: it is raised at the end, which then is
        not waited for longer than ``_HURRY``; a second one does not wait at all.
        """
        with self._lock:
            if self._closing:
                return
            self._closing = True
        if threading.current_thread() is self._thread:  # collected as garbage on the loop itself
            closing = self.loop.create_task(self._drain(last))
            closing.add_done_callback(lambda _: self.loop.stop())
            return
        ending = Call[None]()
        ending.start(self.loop, lambda: self._drain(last))
        interrupt = _wait_through(ending)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE if interrupt is None else _HURRY)
        if not self._thread.is_alive():
            self.loop.close()
        for call in list(self._calls):
            call.abandon()
        if interrupt is not None:
            raise interrupt

    async def _drain(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        current = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not current]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)
        try:
            async with asyncio.timeout(PATIENCE):
                await last()
        except Exception as error:  # noqa: BLE001 - closing goes on, whatever a plugin does
            # Its message may show anything, a key too; its kind does not.
            log.warning("closing the backend failed: %s", type(error).__name__)
        await self.loop.shutdown_asyncgens()


def _wait_through(ending: Call[None]) -> BaseException | None:
    """Wait for an end, also through an interrupt, which is returned.

    Not for ever: the loop's thread is a daemon, and does not keep the program alive.
    """
    interrupt: BaseException | None = None
    until = time.monotonic() + PATIENCE * 3
    while True:
        try:
            ending.wait(max(0.0, until - time.monotonic()))
        except TimeoutError:
            pass
        except BaseException as raised:  # noqa: BLE001 - raised by whoever asked for the end
            if interrupt is None:
                interrupt, until = raised, min(until, time.monotonic() + _HURRY)
                continue
        return interrupt


def shut(loop: LoopThread, engine: Engine) -> None:
    """Close a generator's loop and what its engine holds; nothing in a fork.

    A fork has none of their threads, and finds locks taken that these held.
    """
    if loop.process != os.getpid():
        return
    loop.close(engine.backend.aclose)
    if engine.policy.cache is not None:
        engine.policy.cache.close()
