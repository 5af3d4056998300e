"""Cutting an endless input into windows."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["async_windows", "windows"]

T = TypeVar("T")


def windows(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` consecutive items; the last may be shorter."""
    rest = iter(items)
    while window := list(islice(rest, size)):
        yield window


async def async_windows(items: Iterable[T] | AsyncIterable[T], size: int) -> AsyncIterator[list[T]]:
    """``windows`` over an async iterable, or over a plain one."""
    if not isinstance(items, AsyncIterable):
        for window in windows(items, size):
            yield window
        return
    window = []
    async for item in items:
        window.append(item)
        if len(window) == size:
            yield window
            window = []
    if window:
        yield window
