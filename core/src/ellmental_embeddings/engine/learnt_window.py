"""A limit a minute, learnt from a service that says nothing before it refuses. Pure.

Where a service stays closed for long after a refusal, it counts in windows. What it took in the
minute before was its limit then, and no minute has to hold more from here on. Now and then one
more is tried, since limits are raised, too.
"""

from __future__ import annotations

from collections import deque

__all__ = ["LearntWindow"]

_TOLD = 31.0
_SEEN = 41.0
"""Seconds for which a service that counts in minutes is closed: buckets and windows of up to half
a minute are open again before, though where it is not told that may be seen ten seconds late."""

_STAY = 61.0
"""Seconds for which a request counts: a minute, and what ways to the service may differ."""

_PER_SLOT = 0.1
"""Seconds over which requests are kept as one: bounds what is kept."""

_CHEAP = 250
_LONGEST_REST = 8
"""One request more is tried, and twice the limit when that went well. Where it does not, the
minutes between two tries double, until one in so many requests is refused, or to the longest."""

_USED = 0.9
"""Share of the limit that has to be used for it to be worth trying more."""


class LearntWindow:
    """Requests a minute; None, and so without effect, before a service was closed for long."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self._taken: int | None = None
        self._shut: float | None = None
        self._log: deque[list[float]] = deque()
        self._total = 0
        self._rest = 1
        self._trying = False
        self._since = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until the next request may be sent."""
        if self.limit is None:
            return 0.0
        self._age(now)
        excess = self._total + 1 - self.limit
        if excess <= 0:
            return 0.0
        for sent, count in self._log:
            excess -= int(count)
            if excess <= 0:
                return max(1e-3, sent + _PER_SLOT + _STAY - now)
        return _STAY

    def spend(self, now: float) -> None:
        """A request is sent now."""
        self._age(now)
        self._total += 1
        if self._log and now - self._log[-1][0] < _PER_SLOT:
            self._log[-1][1] += 1
        else:
            self._log.append([now, 1])

    def refused(self, now: float, sent: float) -> None:
        """A request was refused: it did not count there, and the others were all there was."""
        self._age(now)
        for slot in reversed(self._log):
            if slot[0] <= sent:
                self._total -= slot[1] > 0
                slot[1] = max(0, slot[1] - 1)
                break
        if self._shut is None:
            self._shut = now
        self._taken = min(self._total if self._taken is None else self._taken, self._total)
        if self.limit is None:
            return
        self.limit = max(1, min(self.limit, self._total))
        self._since = now
        if self._trying:
            self._trying = False
            if self._rest < _LONGEST_REST and self._rest * self.limit < _CHEAP:
                self._rest *= 2

    def shut_for(self, seconds: float, now: float) -> None:
        """A refusal says how long the service is closed."""
        if seconds >= _TOLD and self._shut is not None:
            self._believe(now)

    def answered(self, now: float, sent: float) -> None:
        """A request was answered well."""
        if self._shut is not None and sent > self._shut:
            if sent - self._shut >= _SEEN:
                self._believe(now)
            self._shut = self._taken = None
        limit = self.limit
        if limit is None or now - self._since < self._rest * _STAY or self._total < _USED * limit:
            return
        if self._trying:  # and nothing was refused since
            self._rest = 1
        self.limit = limit * 2 if self._trying else limit + 1
        self._trying, self._since = True, now

    def _believe(self, now: float) -> None:
        if self.limit is None and self._taken is not None:
            self.limit, self._since = max(1, self._taken), now

    def _age(self, now: float) -> None:
        while self._log and self._log[0][0] + _PER_SLOT + _STAY <= now:
            self._total -= int(self._log.popleft()[1])
