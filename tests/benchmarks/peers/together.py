"""Many batches at a time, for clients that leave it to their users."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["gathered"]


async def gathered(
    ask: Callable[[list[str]], Awaitable[list[Any]]], texts: list[str], batch: int, in_flight: int
) -> list[Any]:
    """The vectors of all texts, in order, so many requests in flight."""
    results: list[list[Any]] = [[] for _ in range(0, len(texts), batch)]
    waiting = iter(range(len(results)))

    async def work() -> None:
        for place in waiting:
            results[place] = await ask(texts[place * batch : (place + 1) * batch])

    await asyncio.gather(*(work() for _ in range(min(in_flight, len(results)))))
    return [vector for result in results for vector in result]
