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
        self._rank = 0
        self._computes = False

    def waits(self, rank: object, where: str) -> None:
        """The app says that the call is in its queue: from now on only the deadline ends it.

        Args:
            rank: how many calls are before it, where the app says so.
            where: the app, for the line that says so after a while.
        """
        if self._computes or self._limit.expired():
            return
        self._rank = rank if isinstance(rank, int) else 0
        if self._queued is None:
            self._queued = self._now()
            self._say_at = self._queued + _WORTH_SAYING
            self._limit.reschedule(None)
        self.beats(where)

    def beats(self, where: str) -> None:
        """The app is there, and nothing has changed: say so where that has lasted."""
        now = self._now()
        if self._queued is None or self._computes or now < self._say_at:
            return
        self._say_at = now + _QUIET
        log.warning(
            "a batch waits in the queue of %s for %.0f s now%s (EMBEDDING_DEADLINE)",
            where,
            now - self._queued,
            f", {self._rank} before it" if self._rank > 0 else "",
        )

    def computes(self) -> None:
        """The app says that it has begun: its time starts now."""
        if not self._computes and not self._limit.expired():
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
