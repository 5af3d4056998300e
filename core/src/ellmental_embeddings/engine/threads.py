"""Running a backend's plain ``def`` beside the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_thread", "started"]

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    """Run a function in a thread of its own, and await its result; see ``started``."""
    return await started(function)


def started(function: Callable[[], T]) -> asyncio.Future[T]:
    """Start a function in a thread of its own; its result comes to the running loop.

    A daemon thread, where ``asyncio.to_thread`` would take one of a pool that Python joins at
    exit: a call that hangs must not keep a cancelled program alive. Starting a thread costs
    some 50 microseconds, little beside a batch. Cancelling the future stops no thread: its
    result is thrown away then.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as raised:  # noqa: BLE001 - handed over to whoever awaits
            error = raised
            if isinstance(raised, StopIteration):  # a future cannot carry one
                error = RuntimeError("StopIteration")
        with suppress(RuntimeError):  # the loop was closed while the call was running
            loop.call_soon_threadsafe(settle, result, error)

    context = contextvars.copy_context()
    threading.Thread(
        target=context.run, args=(work,), name="ellmental-backend", daemon=True
    ).start()
    return future
