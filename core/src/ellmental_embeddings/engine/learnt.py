"""A rate learnt from refusals, for services that say nothing of their limits before. Pure.

A refusal shows that the service takes less than was sent; what it answered well in the last
seconds shows how much that is. From there the rate is tried upwards, slowly near where it was
refused, faster beyond. (A service that stays closed for long counts in minutes instead: see
``learnt_window``.) What other clients call an adaptive retry mode works alike.
"""

from __future__ import annotations

import math
from collections import deque

from .learnt_window import LearntWindow

__all__ = ["Learnt"]

_MEASURED = 5.0
"""Seconds over which the rate of good answers is taken."""

_BELOW = 0.9
"""What is sent after a refusal, as a share of what was answered well."""

_SLOWLY = 1.0008
_QUICKLY = 1.03
"""Growth an answer, near the refused rate and away from it: one refusal in a good hundred."""

_TOGETHER = 1.0
"""Seconds within which refusals are taken to have one cause."""

_IN_A_ROW = 3
_SILENT = 2.0
_FIRST_CLOSED = 0.5
_LONG_CLOSED = 10.0
_LONGEST_CLOSED = 60.0
"""Refusals of what was sent after a first one, and seconds without a good answer, after which a
service is taken to be closed for now; and how long it is left alone then: doubling at first, and
where it stays closed for minutes, a sixth of that time."""

_LEAST = 1 / 60
"""Requests a second: never slower than one a minute."""


class Learnt:
    """Requests a second; None, and so without effect, before any refusal."""

    def __init__(self) -> None:
        self.rate: float | None = None
        self.window = LearntWindow()
        self._refused_at_rate = _LEAST
        self._next = float("-inf")
        self._lowered = float("-inf")
        self._began = math.inf
        self._closed = 0.0
        self._row: float | None = None
        self._in_a_row = 0
        self._last_good = float("-inf")
        self._good: deque[float] = deque(maxlen=4096)

    def wait(self, now: float) -> float:
        """Seconds until the next request may be sent."""
        return max(0.0, self._next - now, self.window.wait(now))

    def spend(self, now: float) -> None:
        """A request is sent now."""
        self.window.spend(now)
        self._began = min(self._began, now)
        if self._closed:
            self._next = now + self._closed  # one at a time finds out whether it is open again
        elif self.rate is not None:
            # Up to two late ones are made up for: timers fire late, never early.
            self._next = max(self._next, now - 2 / self.rate) + 1 / self.rate

    def answered(self, now: float, sent: float) -> None:
        """A request was answered well."""
        self.window.answered(now, sent)
        if self.window.limit is not None:
            self.rate = None
        self._good.append(now)
        self._last_good = now
        self._closed = 0.0
        self._row, self._in_a_row = None, 0
        if self.rate is not None:
            near = _BELOW * 0.95 < self.rate / self._refused_at_rate < 1 / _BELOW
            self.rate *= _SLOWLY if near else _QUICKLY

    def refused(self, now: float, sent: float) -> None:
        """A request was refused."""
        self.window.refused(now, sent)
        if self._row is None:
            self._row = now
        self._in_a_row += sent > self._row
        silent = self._in_a_row >= _IN_A_ROW or self._last_good < now - _SILENT
        if now - self._lowered < (self._closed / 2 if silent else _TOGETHER):
            return
        self._lowered = now
        if self.window.limit is None and self._last_good >= now - _SILENT:
            self._slow_down(now)
        if silent:
            # Nothing at all goes: that is a matter of waiting.
            closed_for = now - max(self._began, self._last_good)
            longest = min(_LONGEST_CLOSED, max(_LONG_CLOSED, closed_for / 6))
            self._closed = min(longest, max(_FIRST_CLOSED, self._closed * 2))
            self._next = now + self._closed

    def _slow_down(self, now: float) -> None:
        """Take the rate from what went well in the last seconds."""
        since = min(_MEASURED, max(now - self._began, 1e-3))
        while self._good and self._good[0] <= now - since:
            self._good.popleft()
        measured = max(len(self._good) / since, _LEAST)
        was, self.rate = self.rate, _BELOW * measured
        if was is not None:
            self.rate = min(0.95 * was, max(self.rate, was / 2))
        self._refused_at_rate = self.rate / _BELOW
        self._next = now + 1 / self.rate

    def forget(self) -> None:
        """The service speaks of its limits: that is better."""
        self.rate, self._next = None, float("-inf")
        if self.window.limit is not None:
            self.window = LearntWindow()
