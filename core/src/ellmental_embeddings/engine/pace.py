"""How fast: when the next request may be sent. The engine asks before each one.

The number in flight starts at the most that is allowed, is halved when the service asks to
slow down or fails, and grows back by one per round of good answers (additive increase,
multiplicative decrease). What EMBEDDING_RPM and EMBEDDING_TPM allow is never exceeded in any
sixty seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..backend import RateStatus

__all__ = ["Budget", "Pace"]

log = logging.getLogger("ellmental_embeddings")

MINUTE = 60.0

_WORTH_SAYING = 5.0
"""Seconds of waiting that are worth a message."""


class Budget:
    """At most so many per minute, over every window of sixty seconds. Pure but for its state."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._spent: deque[tuple[float, int]] = deque()
        self._total = 0

    def wait(self, amount: int, now: float) -> float:
        """Seconds until ``amount`` may be spent. More than the whole budget waits for all of it."""
        while self._spent and self._spent[0][0] <= now - MINUTE:
            self._total -= self._spent.popleft()[1]
        excess = self._total + min(amount, self.per_minute) - self.per_minute
        wait = 0.0
        for when, spent in self._spent:
            if excess <= 0:
                break
            excess -= spent
            wait = when + MINUTE - now
        return wait

    def spend(self, amount: int, now: float) -> None:
        """Count what is sent now."""
        self._spent.append((now, amount))
        self._total += amount


class Pace:
    """Lets requests go, first come, first served; learns from how they fared."""

    def __init__(self, most: int, *, rpm: int | None = None, tpm: int | None = None) -> None:
        self.most = most
        self.allowed = float(most)
        self.in_flight = 0
        self._requests = Budget(rpm) if rpm else None
        self._tokens = Budget(tpm) if tpm else None
        self._not_before = 0.0
        self._shrunk_at = float("-inf")
        self._said_until = float("-inf")
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    async def acquire(self, tokens: int) -> None:
        """Wait until a request with so many tokens may be sent; count it as in flight."""
        now = asyncio.get_running_loop().time
        async with self._turn:
            while (wait := self._wait(tokens, now())) > 0:
                self._say_waiting(wait, now())
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if wait == float("inf") else wait):
                        await self._changed.wait()
            self.in_flight += 1
            for budget, amount in ((self._requests, 1), (self._tokens, tokens)):
                if budget is not None:
                    budget.spend(amount, now())

    def release(self) -> None:
        """A request is no longer in flight, whatever became of it."""
        self.in_flight -= 1
        self._changed.set()

    def answered(self, rate: RateStatus | None) -> None:
        """A request was answered well; with what the service said of its limits."""
        self.allowed = min(float(self.most), self.allowed + 1 / self.allowed)
        self.told(rate)

    def told(self, rate: RateStatus | None, *, asked: float | None = None) -> None:
        """What the service says of its limits, in a good answer or in a refusal.

        Args:
            rate: what its headers say.
            asked: seconds that a refusal asks to wait: when some of the window is free again,
                which is sooner than when all of it is.
        """
        if rate is None or asked is not None:
            return
        for left, reset in (
            (rate.requests_left, rate.requests_reset),
            (rate.tokens_left, rate.tokens_reset),
        ):
            if left == 0 and isinstance(reset, (int, float)) and 0 < reset < MINUTE * 60:
                self.pause(reset)

    def strained(self) -> None:
        """The service asked to slow down, failed or timed out: halve what is in flight.

        Refusals that come together were caused together: they count once a second.
        """
        now = asyncio.get_running_loop().time()
        if now - self._shrunk_at >= 1.0:
            self._shrunk_at = now
            self.allowed = max(1.0, self.allowed / 2)

    def narrow(self, most: int) -> None:
        """No more than this many are of use, as has been learnt."""
        self.most = min(self.most, most)
        self.allowed = min(self.allowed, float(self.most))

    def pause(self, seconds: float) -> None:
        """Send nothing for so many seconds."""
        until = asyncio.get_running_loop().time() + seconds
        self._not_before = max(self._not_before, until)

    def _say_waiting(self, wait: float, now: float) -> None:
        if _WORTH_SAYING < wait < float("inf") and now > self._said_until:
            self._said_until = now + wait
            log.warning(
                "the next request waits %.0f s: %s",
                wait,
                "the service asks for it"
                if self._not_before > now
                else "EMBEDDING_RPM or EMBEDDING_TPM allows no more now",
            )

    def _wait(self, tokens: int, now: float) -> float:
        if self.in_flight >= int(self.allowed):
            return float("inf")
        waits = [self._not_before - now]
        waits += [self._requests.wait(1, now)] if self._requests else []
        waits += [self._tokens.wait(tokens, now)] if self._tokens else []
        return max(waits)
