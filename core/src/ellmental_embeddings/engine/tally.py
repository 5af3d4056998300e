"""How far a user's call has come, to be looked at from any thread while it runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..result import Usage
    from .call import CallState

__all__ = ["Sums", "Tally"]


@dataclass(slots=True)
class Tally:
    """Sums over the engine's calls that one call of a user is made of: a stream's windows.

    The engine counts nothing for it: what a running call has come to is read from its state.
    """

    _running: list[CallState] = field(default_factory=list)
    _ended: list[int] = field(default_factory=lambda: [0, 0, 0, 0, 0, 0])
    _failed: int = 0
    _tokens: int | None = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def began(self, call: CallState) -> None:
        """The engine has begun a call."""
        with self._lock:
            self._running.append(call)

    def ended(self, call: CallState, usage: Usage, *, decided: int, failed: int) -> None:
        """The engine has ended it; so many texts were decided, and so many of them failed."""
        counts = (decided, usage.unique, usage.requests, usage.retries, usage.cached, 0)
        with self._lock:
            self._running.remove(call)
            self._ended = [before + more for before, more in zip(self._ended, counts, strict=True)]
            self._failed += failed
            self._tokens = _sum(self._tokens, usage.tokens)

    def sums(self) -> Sums:
        """As they are now."""
        with self._lock:
            texts, unique, requests, retries, cached, in_flight = self._ended
            tokens = self._tokens
            for call in self._running:
                texts += call.placement.decided()
                unique += len(call.plan.pieces)
                requests += call.requests
                retries += call.retries
                cached += call.placement.recalled
                in_flight += call.in_flight
                tokens = _sum(tokens, call.tokens)
            failed = self._failed
        return Sums(texts, unique, requests, retries, cached, in_flight, tokens, failed)


@dataclass(frozen=True, slots=True)
class Sums:
    """Of a tally; ``texts`` have a vector or have failed, ``failed`` are those of ended calls."""

    texts: int
    unique: int
    requests: int
    retries: int
    cached: int
    in_flight: int
    tokens: int | None
    failed: int


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
