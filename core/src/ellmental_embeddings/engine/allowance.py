"""What a service allows: one for all generators that send to it with one key and model.

It may be used from several threads, since each generator has a loop of its own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ..backend import RateStatus
from .learnt import Learnt
from .ledger import Ledger, Most
from .told import Mark, Told

__all__ = ["Allowance", "Ticket"]

_UNSAID = (None, None, None)

_BUSY = 0.005
"""Seconds until the ledger is looked at again that another process keeps."""


@dataclass(slots=True)
class Ticket:
    """A request that may be sent.

    Attributes:
        at: when it was let go.
        tokens: what it was counted as.
        quarter: where it stands in the ledger.
        marks: what the two budgets know it by.
        actual: tokens that it really took, once they are known.
        settled: whether that has been made up for.
    """

    at: float
    tokens: int
    quarter: int
    marks: tuple[Mark, Mark]
    actual: int | None = None
    settled: bool = False


class Allowance:
    """Budgets and pauses of one service, key and model.

    Args:
        ledger: what was sent over the last minute.

    Attributes:
        by_settings: whether the last request that had to wait did so for EMBEDDING_RPM or
            EMBEDDING_TPM, and not for the service.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger()
        self.requests = Told()
        self.tokens = Told()
        self.learnt = Learnt()
        self.by_settings = False
        self._lock = threading.Lock()

    def take(self, tokens: int, most: Most, now: float) -> Ticket | float:
        """Let a request go, or say for how many seconds it has to wait at least.

        Args:
            tokens: upper bound of its tokens.
            most: EMBEDDING_RPM and EMBEDDING_TPM of whoever asks.
            now: the time.
        """
        with self._lock:
            wait = max(
                self.requests.wait(1, now), self.tokens.wait(tokens, now), self.learnt.wait(now)
            )
            if wait > 0:
                self.by_settings = False
                return wait
            with self.ledger.held(now) as at:
                if at is None:
                    return _BUSY
                paused = self.ledger.not_before - at
                full = self.ledger.wait(tokens, self._most(most), at)
                if max(paused, full) > 0:
                    own = self.ledger.wait(tokens, most, at)
                    self.by_settings = own >= full > paused
                    return max(paused, full)
                quarter = self.ledger.spend(tokens, at)
            self.learnt.spend(now)
            marks = self.requests.spend(1, now), self.tokens.spend(tokens, now)
            return Ticket(now, tokens, quarter, marks)

    def hear(
        self, ticket: Ticket, rate: RateStatus | None, now: float, *, refused: bool = False
    ) -> None:
        """What an answer or a refusal says of the limits."""
        self.settle(ticket, now)
        with self._lock:
            if isinstance(rate, RateStatus):  # a plugin may have hung anything on its error
                of_requests, of_tokens = ticket.marks
                for told, mark, numbers in (
                    (self.requests, of_requests, _numbers(rate, "requests")),
                    (self.tokens, of_tokens, _numbers(rate, "tokens")),
                ):
                    if numbers != _UNSAID:
                        told.hear(mark, *numbers, now, refused=refused)
            if self.requests.left is not None or self.tokens.left is not None:
                self.learnt.forget()
            elif refused:
                self.learnt.refused(now, ticket.at)
            else:
                self.learnt.answered(now, ticket.at)

    def settle(self, ticket: Ticket, now: float) -> None:
        """A request is back, whatever became of it."""
        if ticket.settled:
            return
        with self._lock:
            ticket.settled = True
            of_requests, of_tokens = ticket.marks
            self.requests.settle(of_requests, None, now)
            self.tokens.settle(of_tokens, ticket.actual, now)
            if ticket.actual is not None and ticket.actual != ticket.tokens:
                with self.ledger.held(now) as at:
                    if at is not None:
                        self.ledger.correct(ticket.quarter, ticket.actual - ticket.tokens)

    def pause(self, seconds: float, now: float) -> None:
        """Nobody sends anything for so many seconds."""
        with self._lock, self.ledger.held(now) as at:
            self.learnt.window.shut_for(seconds, now)
            if at is not None:
                self.ledger.not_before = max(self.ledger.not_before, at + seconds)

    def has_room(self, requests: int, tokens: int) -> bool:
        """Whether the service has said that so much may be sent at once."""
        known = [
            (told.left, amount)
            for told, amount in ((self.requests, requests), (self.tokens, tokens))
            if told.left is not None
        ]
        return bool(known) and all(left >= amount for left, amount in known)

    def _most(self, asked: Most) -> Most:
        """Where several processes count together, what the service says binds them together."""
        if not self.ledger.shared:
            return asked
        return Most(
            _least(asked.requests, _minutely(self.requests)),
            _least(asked.tokens, _minutely(self.tokens)),
        )


_MOST = 2**53
"""Beyond it a float is no exact number, and a service's limit none that is meant."""


def _numbers(rate: RateStatus, kind: str) -> tuple[int | None, int | None, float | None]:
    limit, left, reset = (getattr(rate, f"{kind}_{what}") for what in ("limit", "left", "reset"))
    return _number(limit), _number(left), _number(reset)  # type: ignore[return-value]


def _number(value: object) -> int | float | None:
    """A number a plugin really gave; anything else is as if the service had said nothing."""
    is_one = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_one and 0 <= value <= _MOST else None  # type: ignore[operator,return-value]


def _minutely(told: Told) -> int | None:
    return told.limit if told.a_minute else None


def _least(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)
