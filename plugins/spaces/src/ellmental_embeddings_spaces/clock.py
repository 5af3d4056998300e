"""EMBEDDING_TIMEOUT, which stands still while a call waits in the app's own queue.

Most apps compute one call at a time. A call that were timed out while it waits for its turn would
be made again, behind all others, and might be computed twice.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ellmental_embeddings import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Clock", "timed"]

log = logging.getLogger("ellmental_embeddings.spaces")

_WORTH_SAYING = 5.0
"""Seconds in a queue before it is said that, and why, nothing comes."""

_QUIET = 30.0
"""Seconds between two such lines."""


class Clock:
    """What is left of one call's time.

    Args:
        seconds: EMBEDDING_TIMEOUT.
        limit: what ends the call.
    """

    def __init__(self, seconds: float, limit: asyncio.Timeout) -> None:
        self._seconds = seconds
        self._limit = limit
        self._queued: float | None = None
        self._say_at = 0.0
        self._computes = False

    def waits(self, rank: object, where: str) -> None:
        """The app says that the call is in its queue: from now on only the deadline ends it.

        Args:
            rank: how many calls are before it, where the app says so.
            where: the app, for the line that says so after a while.
        """
        if self._computes:
            return
        now = self._now()
        if self._queued is None:
            self._queued, self._say_at = now, now + _WORTH_SAYING
            self._limit.reschedule(None)
        elif now >= self._say_at:
            self._say_at = now + _QUIET
            before = f", {rank} before it" if isinstance(rank, int) and rank > 0 else ""
            log.warning(
                "a batch waits in the queue of %s for %.0f s now%s (EMBEDDING_DEADLINE)",
                where,
                now - self._queued,
                before,
            )

    def computes(self) -> None:
        """The app says that it has begun: its time starts now."""
        if not self._computes:
            self._computes = True
            self._limit.reschedule(self._now() + self._seconds)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def timed(seconds: float) -> AsyncIterator[Clock]:
    """Bound what is done inside.

    Raises:
        Unavailable: when the time is over.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield Clock(seconds, limit)
    except TimeoutError:
        if limit.expired():
            raise Unavailable(f"no answer in {seconds:g} s (EMBEDDING_TIMEOUT)") from None
        raise
