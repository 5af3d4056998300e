"""Cutting an endless input into windows, bounded in texts and in characters."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["MOST_CHARACTERS", "async_windows", "windows"]

T = TypeVar("T")

MOST_CHARACTERS = 4_000_000
"""A window ends early where its texts are longer together: long texts must not fill memory."""


class _Window(Generic[T]):
    """Fills up, item by item."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.items: list[T] = []
        self._characters = 0

    def add(self, item: T) -> list[T] | None:
        """Take an item; the whole window where it is full now."""
        self.items.append(item)
        self._characters += len(item) if isinstance(item, str) else 0
        if len(self.items) < self._size and self._characters < MOST_CHARACTERS:
            return None
        full, self.items, self._characters = self.items, [], 0
        return full


def windows(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most ``size`` consecutive items."""
    window = _Window[T](size)
    for item in items:
        if full := window.add(item):
            yield full
    if window.items:
        yield window.items


async def async_windows(items: Iterable[T] | AsyncIterable[T], size: int) -> AsyncIterator[list[T]]:
    """``windows`` over an async iterable, or over a plain one."""
    if not isinstance(items, AsyncIterable):
        for full in windows(items, size):
            yield full
        return
    window = _Window[T](size)
    async for item in items:
        if rest := window.add(item):
            yield rest
    if window.items:
        yield window.items
