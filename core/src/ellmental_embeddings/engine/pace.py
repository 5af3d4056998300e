"""How fast: when the next request may be sent. The engine asks before each one.

Three things hold a request back: as many in flight as ``concurrency`` allows, a budget that is
used up (``allowance``), and a pause that a refusal asked for. ``Pacer`` decides and is pure, so
that a simulated clock can drive it; ``Pace`` waits.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import RateLimited, Unavailable
from .allowance import Allowance, Ticket
from .concurrency import Concurrency
from .ledger import Most
from .threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..backend import RateStatus
    from ..errors import EmbeddingError

__all__ = ["Pace", "Pacer"]

log = logging.getLogger("ellmental_embeddings")

_PLENTY = 2
"""Times what can be in flight: when the service says so much is left, all of it may be."""

_LONGEST_SLEEP = 1.0
"""Seconds until a wait is looked at again: another generator may have freed what it waits for."""

_WORTH_SAYING = 5.0
"""Seconds of waiting that are worth a message."""

_JITTER = 0.1
_MOST_JITTER = 1.0
"""Share, and seconds, that a pause is made longer by at random: programs that were refused
together must not come back together."""


class Pacer:
    """Decides when requests go, and learns from how they fared. The time is passed in.

    Args:
        most: requests in flight, at most.
        limits: requests and tokens a minute never to exceed.
        allowance: what the service allows; shared by those that send with one key.
        uniform: for tests.
    """

    def __init__(
        self,
        most: int,
        limits: Most = Most(),  # noqa: B008 - frozen
        allowance: Allowance | None = None,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.concurrency = Concurrency(most)
        self.allowance = allowance or Allowance()
        self._limits = limits
        self._uniform = uniform

    def take(self, tokens: int, now: float) -> Ticket | float:
        """Let a request go, or say how long it waits: inf is until another one is back."""
        if self.concurrency.full:
            return math.inf
        got = self.allowance.take(tokens, self._limits, now)
        if isinstance(got, Ticket):
            self.concurrency.in_flight += 1
        return got

    def answered(
        self, ticket: Ticket, now: float, rate: RateStatus | None = None, tokens: int | None = None
    ) -> None:
        """A request was answered well; with what the service said of its limits and tokens."""
        ticket.actual = tokens
        self.allowance.hear(ticket, rate, now)
        self.concurrency.answered(now - ticket.at, ticket.tokens)
        most = self.concurrency.most * _PLENTY
        if self.allowance.has_room(most, most * ticket.tokens):
            self.concurrency.roomy()

    def failed(self, ticket: Ticket, now: float, error: EmbeddingError) -> None:
        """A request was refused, or failed."""
        refused = isinstance(error, RateLimited)
        if refused or error.rate is not None:
            self.allowance.hear(ticket, error.rate, now, refused=refused)
        if refused:
            self.concurrency.refused(now)
        elif isinstance(error, Unavailable):
            self.concurrency.failed(now)

    def release(self, ticket: Ticket, now: float) -> None:
        """A request is no longer in flight, whatever became of it."""
        self.concurrency.in_flight -= 1
        self.allowance.settle(ticket, now)

    def pause(self, seconds: float, now: float) -> None:
        """Nothing is sent for so many seconds, and a random bit more."""
        more = self._uniform(0.0, min(seconds * _JITTER, _MOST_JITTER))
        self.allowance.pause(seconds + more, now)


class Pace:
    """Lets requests go, first come, first served."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._said_until = float("-inf")
        self._turns = asyncio.Lock(), asyncio.Lock()
        self._urgent = 0
        self._changed = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Requests that were let go and are not back."""
        return self._pacer.concurrency.in_flight

    @property
    def allowed(self) -> int:
        """Requests that may be in flight now."""
        return int(self._pacer.concurrency.allowed)

    async def acquire(
        self, tokens: int, exact: Callable[[], int] | None = None, *, again: bool = False
    ) -> Ticket:
        """Wait until a request may be sent; count it as in flight.

        Args:
            tokens: upper bound of its tokens.
            exact: counts them; asked only where the bound would have to wait.
            again: it was sent before, and goes first: its deadline is nearer.
        """
        now = asyncio.get_running_loop().time
        self._urgent += again
        try:
            async with self._turns[again]:
                while True:
                    yields = self._urgent and not again
                    got = math.inf if yields else self._pacer.take(tokens, now())
                    if isinstance(got, Ticket):
                        return got
                    if exact is not None and got < math.inf:
                        tokens, exact = min(tokens, await in_thread(exact)), None
                        continue
                    self._say_waiting(got, now())
                    self._changed.clear()
                    sleep = min(got, _LONGEST_SLEEP) if got < math.inf else None
                    with suppress(TimeoutError):
                        async with asyncio.timeout(sleep):
                            await self._changed.wait()
        finally:
            self._urgent -= again
            if again:
                self._changed.set()

    def try_acquire(self, tokens: int) -> Ticket | None:
        """``acquire`` where nothing has to be waited for, not even others' turns; else None."""
        if any(turn.locked() for turn in self._turns):
            return None
        got = self._pacer.take(tokens, asyncio.get_running_loop().time())
        return got if isinstance(got, Ticket) else None

    def release(self, ticket: Ticket) -> None:
        """A request is no longer in flight, whatever became of it."""
        self._pacer.release(ticket, asyncio.get_running_loop().time())
        self._changed.set()

    def answered(
        self, ticket: Ticket, rate: RateStatus | None = None, tokens: int | None = None
    ) -> None:
        """A request was answered well; with what the service said."""
        self._pacer.answered(ticket, asyncio.get_running_loop().time(), rate, tokens)

    def failed(self, ticket: Ticket, error: EmbeddingError) -> None:
        """A request was refused, or failed."""
        self._pacer.failed(ticket, asyncio.get_running_loop().time(), error)

    def narrow(self, most: int) -> None:
        """No more than this many are of use, as has been learnt."""
        self._pacer.concurrency.narrow(most)

    def pause(self, seconds: float) -> None:
        """Nothing is sent for so many seconds."""
        self._pacer.pause(seconds, asyncio.get_running_loop().time())

    def _say_waiting(self, wait: float, now: float) -> None:
        if _WORTH_SAYING < wait < math.inf and now > self._said_until:
            self._said_until = now + wait
            log.warning(
                "the next request waits %.0f s: the service, or EMBEDDING_RPM or EMBEDDING_TPM, "
                "allows no more now",
                wait,
            )
