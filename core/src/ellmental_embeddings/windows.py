"""Cutting an endless input into windows, bounded in texts and in characters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

__all__ = ["LONGEST_HELD", "MOST_CHARACTERS", "Window", "async_windows", "windows"]

T = TypeVar("T")

LONGEST_HELD = 0.5
"""Seconds that a text waits for others to be sent with."""

MOST_CHARACTERS = 4_000_000
"""A window ends early where its texts are longer together: long texts must not fill memory."""


class Window(Generic[T]):
    """Fills up, item by item."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.items: list[T] = []
        self._characters = 0

    def add(self, item: T) -> bool:
        """Take an item; whether the window is full now."""
        self.items.append(item)
        self._characters += len(item) if isinstance(item, str) else 0
        return len(self.items) >= self._size or self._characters >= MOST_CHARACTERS

    def take(self) -> list[T]:
        """The items; the window is empty then."""
        items, self.items, self._characters = self.items, [], 0
        return items


def windows(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most ``size`` consecutive items."""
    window = Window[T](size)
    for item in items:
        if window.add(item):
            yield window.take()
    if window.items:
        yield window.take()


async def async_windows(
    items: Iterable[T] | AsyncIterable[T], size: int, within: float = LONGEST_HELD
) -> AsyncGenerator[list[T]]:
    """``windows`` over an async iterable, or over a plain one.

    An item of an async iterable waits for those after it for so many seconds at most: one that
    is slow makes smaller windows, not late ones.
    """
    if not isinstance(items, AsyncIterable):
        for full in windows(items, size):
            yield full
        return
    # Read by one task from its first item to its last, as some iterables need it, and a window
    # ahead at most.
    read: asyncio.Queue[T | _End] = asyncio.Queue(maxsize=size)
    reader = asyncio.ensure_future(_read(items, read))
    window, held_until = Window[T](size), 0.0
    clock = asyncio.get_running_loop().time
    try:
        while not isinstance(item := await _next(read, window, held_until), _End):
            if item is None:
                yield window.take()
                continue
            if not window.items:
                held_until = clock() + within
            if window.add(item[0]):
                yield window.take()
        if window.items:
            yield window.take()
        await reader  # raises what the iterable raised
    finally:
        reader.cancel()
        with suppress(BaseException):  # told above, or of no interest any more
            await reader


class _End:
    """The iterable has come to its end, or has raised."""


async def _read(items: AsyncIterable[T], into: asyncio.Queue[T | _End]) -> None:
    try:
        async for item in items:
            await into.put(item)
    finally:
        if not _is_cancelled():
            await into.put(_End())


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _next(
    read: asyncio.Queue[T | _End], window: Window[T], held_until: float
) -> tuple[T] | _End | None:
    """The next item in a tuple, the end, or None where the window was held long enough."""
    if read.empty() and window.items:
        try:
            async with asyncio.timeout_at(held_until):
                item = await read.get()
        except TimeoutError:
            return None
    else:
        item = await read.get()
    return item if isinstance(item, _End) else (item,)
