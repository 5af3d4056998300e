"""What a service says of one of its budgets before it refuses. Pure: the time is passed in.

Nothing but three numbers is told: the limit, what is left, and when all of it is back. Services
count in different ways - a bucket that fills up evenly, fixed windows, sliding windows - and do
not say in which. So what was sent is believed to come back one window after it was sent, which
is never too early for any of them, and what the service says is left corrects that at once.
Only where the three numbers of several answers fit a bucket is it believed to fill up evenly:
then nothing stalls between one window and the next.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Mark", "Told"]

_USUAL_WINDOW = 60.0
"""Seconds, where the service never said one: limits are spoken of per minute."""

_MOST_LAG = 1.0
_MARGIN = 0.005
"""Requests arrive nearer together than they are sent by as much as their latencies differ; and a
share of the window, for clocks that differ."""

_EVENLY = 0.98
"""Share of a bucket's rate that is counted on, for the same reason."""

_SAMPLES = 16
_ENOUGH = 4
_SPREAD = 0.1
"""How many answers show whether a budget is a bucket, and how well they have to agree."""

_MERGED = 1 / 200
"""Share of the window over which sent requests are kept as one: bounds what is kept."""


@dataclass(slots=True)
class _Spent:
    first: float
    last: float
    amount: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A request that was counted.

    Attributes:
        at: when it was sent.
        amount: what it was counted as.
        before: what had been answered in all when it was sent.
    """

    at: float
    amount: int
    before: float


class Told:
    """One budget of a service: its requests, or its tokens.

    Attributes:
        limit: allowed per window; None where the service does not say.
        left: what may still be sent now, as far as is known; None before the service says.
        window: seconds after which what was sent is believed to be back.
        rate: what comes back a second, where the budget is a bucket; else None.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self.left: float | None = None
        self.window = _USUAL_WINDOW
        self.rate: float | None = None
        self._log: deque[_Spent] = deque()
        self._total = 0.0
        self._sent = 0.0
        self._answered = 0.0
        self._lag = 0.0
        self._heard = float("-inf")
        self._advanced = float("-inf")
        self._longest = 0.0
        self._stretch = 1.0
        self._seen: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)

    def wait(self, amount: int, now: float) -> float:
        """Seconds until so much may be sent; more than the whole budget waits for all of it."""
        self._advance(now)
        if self.left is None:
            return 0.0
        needed = min(amount, self.limit or amount) - self.left
        if needed <= 0:
            return 0.0
        if self.rate is not None:
            return max(needed / self.rate, 1e-3)
        for spent in self._log:
            needed -= spent.amount
            if needed <= 0:
                return max(spent.last + self._stay - now, 1e-3)
        # What is missing was not sent from here; after a window one request may ask anew.
        return max(
            0.0, max(self._heard, self._log[-1].last if self._log else 0.0) + self._stay - now
        )

    def spend(self, amount: int, now: float) -> Mark:
        """Count what is sent now."""
        self._advance(now)
        self._sent += amount
        self._add(amount, now)
        if self.left is not None:
            self.left = max(0.0, self.left - amount)
        return Mark(now, amount, self._answered)

    def settle(self, mark: Mark, actual: int | None, now: float) -> None:
        """A request is back; ``actual``: what it really took, where that is known.

        To be called before ``hear``: what an answer says is left has the actual number in it.
        """
        self._answered += mark.amount
        self._lag = min(_MOST_LAG, max(now - mark.at, self._lag * 0.995))
        if actual is not None and actual < mark.amount:
            self._free(mark.amount - actual, newest=True)
            if self.left is not None:
                self.left += mark.amount - actual

    def hear(
        self,
        mark: Mark,
        limit: int | None,
        left: int | None,
        reset: float | None,
        now: float,
        *,
        refused: bool = False,
    ) -> None:
        """What an answer says. It was true when the request was counted by the service.

        Args:
            mark: the request that was answered.
            limit: allowed per window.
            left: of these, how many are left.
            reset: seconds until all are back.
            now: the time.
            refused: whether the answer is a refusal.
        """
        if reset is not None and reset > 0:
            self._longest = self.window = max(self._longest, reset)
        changed = limit != self.limit
        if limit is not None and limit > 0:
            self.limit = limit
        if left is None:
            return
        self._advance(now)
        self._heard = now
        self._recognise(left, reset)
        if refused and not changed and left < mark.amount <= (self.left or 0):
            # Something seemed to be left: it comes back later than the service says.
            self.rate = None
            self._seen.clear()
            self._stretch = min(self._stretch * 2, max(1.0, _USUAL_WINDOW / self.window))
        elif not refused:
            self._stretch = max(1.0, self._stretch * 0.99)
        # Nothing beyond what was sent and not back before this request was can be missing in it.
        uncounted = max(0.0, self._sent - mark.before - mark.amount)
        self._correct(left, left - uncounted, now)

    def _correct(self, most: float, least: float, now: float) -> None:
        """What is left is known to lie between two numbers."""
        if self.left is None:
            if self.limit is not None and self.limit - most > self._total:
                self._add(self.limit - most - self._total, now)
            self.left = max(0.0, least)
        elif self.left > most:  # somebody else uses the same budget, or it has shrunk
            self._add(self.left - most, now)
            self.left = most
        elif self.left < least:
            self._free(least - self.left)
            self.left = least
        if self.limit is not None:  # it was larger: what is over will never come back
            self._free(self.left + self._total - self.limit)

    @property
    def _stay(self) -> float:
        return self.window * self._stretch * (1 + _MARGIN) + min(self._lag, self.window / 2)

    def _advance(self, now: float) -> None:
        passed, self._advanced = now - self._advanced, max(now, self._advanced)
        if self.rate is not None and self.left is not None and passed > 0:
            gained = min(self.rate * passed, (self.limit or 0) - self.left)
            if gained > 0:
                self.left += gained
                self._free(gained)
        while self._log and self._log[0].last + self._stay <= now:
            spent = self._log.popleft()
            self._total -= spent.amount
            if self.left is not None:
                self.left += spent.amount
                if self.limit is not None:
                    self.left = min(self.left, float(self.limit))

    def _add(self, amount: float, now: float) -> None:
        self._total += amount
        newest = self._log[-1] if self._log else None
        if newest is not None and now - newest.first < self.window * _MERGED:
            newest.last, newest.amount = max(now, newest.last), newest.amount + amount
        else:
            self._log.append(_Spent(now, now, amount))

    def _free(self, amount: float, *, newest: bool = False) -> None:
        """Forget so much of what was sent, the oldest first: it is back already."""
        while self._log and amount > 0:
            spent = self._log[-1 if newest else 0]
            taken = min(spent.amount, amount)
            spent.amount -= taken
            amount -= taken
            self._total -= taken
            if spent.amount <= 0:
                _ = self._log.pop() if newest else self._log.popleft()

    def _recognise(self, left: int, reset: float | None) -> None:
        """Whether it is a bucket: then reset / (limit - left) is the same in every answer."""
        if self.limit is None or reset is None or reset <= 0 or left >= self.limit:
            return
        used = float(self.limit - left)
        self._seen.append((used, reset * self.limit / used))
        if len(self._seen) < _ENOUGH or max(self._seen)[0] < 1.5 * min(self._seen)[0]:
            return
        windows = sorted(window for _, window in self._seen)
        half = len(windows) // 2
        middle = (windows[half] + windows[~half]) / 2
        fits = all(abs(window - middle) <= _SPREAD * middle for window in windows)
        self.rate = _EVENLY * self.limit / middle if fits else None
