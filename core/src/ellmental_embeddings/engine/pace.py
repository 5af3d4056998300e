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
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import PluginError, RateLimited, Unavailable
from .allowance import Allowance, Ticket
from .concurrency import Concurrency
from .ledger import Most
from .threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..backend import RateStatus
    from ..errors import EmbeddingError

__all__ = ["Pace", "PaceStatus", "Pacer"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceStatus:
    """How fast a generator may be, and what has held it back so far.

    Attributes:
        in_flight: requests that are being answered now.
        allowed: requests that may be in flight, as found by now.
        most: the most there may ever be (EMBEDDING_MAX_CONCURRENCY, or the service's limit).
        sent: requests sent.
        refused: of these, refused for being too many.
        failed: of these, failed for other reasons that waiting may mend.
        waited_for_budget: seconds in which the next request waited for a budget of requests or
            tokens, or for a pause that the service asked for.
        waited_for_settings: of these, for EMBEDDING_RPM or EMBEDDING_TPM.
        waited_for_room: seconds in which it waited for one in flight to come back.
        requests_limit, requests_left: what the service last said; None where it does not.
        tokens_limit, tokens_left: the same of tokens.
    """

    in_flight: int
    allowed: int
    most: int
    sent: int
    refused: int
    failed: int
    waited_for_budget: float
    waited_for_settings: float
    waited_for_room: float
    requests_limit: int | None
    requests_left: int | None
    tokens_limit: int | None
    tokens_left: int | None


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
        self.sent = self.refused = self.unavailable = 0

    def take(self, tokens: int, now: float) -> Ticket | float:
        """Let a request go, or say how long it waits: inf is until another one is back."""
        if self.concurrency.full:
            return math.inf
        got = self.allowance.take(tokens, self._limits, now)
        if isinstance(got, Ticket):
            self.concurrency.in_flight += 1
            self.sent += 1
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
            self.refused += 1
            self.concurrency.refused(now)
        elif isinstance(error, Unavailable):
            self.unavailable += 1
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
        self._waited = {"budget": 0.0, "settings": 0.0, "room": 0.0}
        self._changed = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Requests that were let go and are not back."""
        return self._pacer.concurrency.in_flight

    @property
    def status(self) -> PaceStatus:
        """As it is now."""
        pacer = self._pacer
        requests, tokens = pacer.allowance.requests, pacer.allowance.tokens
        return PaceStatus(
            in_flight=self.in_flight,
            allowed=int(pacer.concurrency.allowed),
            most=pacer.concurrency.most,
            sent=pacer.sent,
            refused=pacer.refused,
            failed=pacer.unavailable,
            waited_for_budget=self._waited["budget"],
            waited_for_settings=self._waited["settings"],
            waited_for_room=self._waited["room"],
            requests_limit=requests.limit,
            requests_left=None if requests.left is None else int(requests.left),
            tokens_limit=tokens.limit,
            tokens_left=None if tokens.left is None else int(tokens.left),
        )

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
                        count, exact = exact, None
                        with suppress(PluginError):  # then the bound has to do
                            tokens = min(tokens, await in_thread(count))
                        continue
                    await self._wait(got, now(), counts=again or not yields)
        finally:
            self._urgent -= again
            if again:
                self._changed.set()

    async def _wait(self, wait: float, since: float, *, counts: bool) -> None:
        """Wait for a change, or so many seconds; one request at a time counts as waiting."""
        own = wait < math.inf and self._pacer.allowance.by_settings
        self._say_waiting(wait, since, own=own)
        self._changed.clear()
        sleep = min(wait, _LONGEST_SLEEP) if wait < math.inf else None
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(sleep):
                    await self._changed.wait()
        finally:
            if counts:
                passed = asyncio.get_running_loop().time() - since
                self._waited["room" if wait == math.inf else "budget"] += passed
                self._waited["settings"] += passed if own else 0.0

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

    def _say_waiting(self, wait: float, now: float, *, own: bool) -> None:
        if _WORTH_SAYING < wait < math.inf and now > self._said_until:
            self._said_until = now + wait
            log.warning(
                "the next request waits %.0f s: %s allows no more now",
                wait,
                "EMBEDDING_RPM or EMBEDDING_TPM" if own else "the service",
            )
