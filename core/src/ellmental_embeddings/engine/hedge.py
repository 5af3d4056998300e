"""A second request for a straggler: the first good answer counts, the other one is cancelled.

Now and then a request hangs in some queue while its like are answered at once. Asking again
after almost all others would have been answered cuts the longest waits, for a few requests more
(J. Dean and L. A. Barroso, The Tail at Scale, 2013). Off by default: both may be billed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import BadReply, EmbeddingError, RateLimited, Unavailable
from .check import checked

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ..backend import Batch, Reply
    from .ask import Asker
    from .call import CallState
    from .pace import Pace

__all__ = ["Hedge"]

_SEEN = 200
_ENOUGH = 20
"""Latencies that are remembered for each size of request, and how many it takes to judge by."""

_STRAGGLER = 1.5
"""A request is no straggler before it has taken so many times the median."""

_PATIENCE = 1.0
"""Seconds that the one that was cancelled is waited for; it writes to no one's rows."""


class Hedge:
    """Asks, and asks once more where an answer is late.

    Args:
        asker: the door to the backend; an attribute, too.
        pace: a second request goes only where one may go at once.
        share: EMBEDDING_HEDGE: second requests, as a share of all; 0 for none.
    """

    def __init__(self, asker: Asker, pace: Pace, share: float) -> None:
        self.asker = asker
        self._pace = pace
        # A thread cannot be cancelled: a plain ``def`` would go on and be paid for.
        self._share = share if asker.is_async else 0.0
        self._asked = self._hedged = 0
        self._latencies: dict[int, deque[float]] = {}

    async def ask(self, call: CallState, batch: Batch, tokens: int, *, within: float) -> Reply:
        """As ``Asker.ask``, with a second request where it is due.

        Args:
            call: its requests are counted.
            batch: what is sent.
            tokens: upper bound of its tokens: requests of one size are compared.
            within: seconds.

        Raises:
            EmbeddingError: as ``Asker.ask``.
        """
        if not self._share:
            return await self.asker.ask(batch, within=within)
        clock = asyncio.get_running_loop().time
        began = clock()
        self._asked += 1
        # Two that write to the same rows could leave half of each there.
        batch = replace(batch, out=None)
        tasks = [_quiet(self._whole(batch, within))]
        try:
            await asyncio.wait(tasks, timeout=self._late(tokens))
            if not tasks[0].done() and self._hedged + 1 <= self._share * self._asked:
                reply = await self._twice(call, batch, tokens, tasks, within - (clock() - began))
            else:
                reply = await tasks[0]
        finally:
            await _end(tasks)
        self._latencies.setdefault(tokens.bit_length(), deque(maxlen=_SEEN)).append(clock() - began)
        return reply

    async def _twice(
        self,
        call: CallState,
        batch: Batch,
        tokens: int,
        tasks: list[asyncio.Task[Reply]],
        within: float,
    ) -> Reply:
        ticket = self._pace.try_acquire(tokens)
        if ticket is None:
            return await tasks[0]
        self._hedged += 1
        call.requests += 1
        call.hedged += 1
        call.asked()
        try:
            tasks.append(_quiet(self._whole(batch, within)))
            return await _first_good(tasks)
        finally:
            second = tasks[-1]
            if second.done() and not second.cancelled():
                error = second.exception()
                if isinstance(error, EmbeddingError):
                    self._pace.failed(ticket, error)
            self._pace.release(ticket)
            call.answered()

    async def _whole(self, batch: Batch, within: float) -> Reply:
        """A broken answer that comes first must not win over a good one that is on its way."""
        reply = await self.asker.ask(batch, within=within)
        checked(reply, len(batch.texts))
        return reply

    def _late(self, tokens: int) -> float | None:
        """Seconds after which an answer is late; None while that cannot be said."""
        seen = self._latencies.get(tokens.bit_length())
        if seen is None or len(seen) < _ENOUGH:
            return None
        ordered = sorted(seen)
        usual = ordered[min(len(ordered) - 1, int(len(ordered) * (1 - self._share)))]
        return max(usual, _STRAGGLER * ordered[len(ordered) // 2])


async def _first_good(tasks: list[asyncio.Task[Reply]]) -> Reply:
    """The answer that comes first; where one fails, and waiting may help, the other's."""
    waiting = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in sorted(done, key=tasks.index):
            error = task.exception()
            if error is None:
                return task.result()
            if not isinstance(error, RateLimited | Unavailable | BadReply):
                raise error
    return tasks[0].result()  # raises its error


def _quiet(asking: Coroutine[Any, Any, Reply]) -> asyncio.Task[Reply]:
    task = asyncio.create_task(asking)
    # Its error may be of no interest any more when it comes.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


async def _end(tasks: list[asyncio.Task[Reply]]) -> None:
    """Cancel what is not wanted any more, and wait until it is out of the way."""
    late = [task for task in tasks if not task.done()]
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=_PATIENCE)
