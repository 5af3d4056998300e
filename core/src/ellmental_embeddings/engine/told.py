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

from .outstanding import Outstanding

__all__ = ["Mark", "Told"]

_USUAL_WINDOW = 60.0
"""Seconds, where the service never said one: limits are spoken of per minute."""

_MINUTELY = 50.0
"""Seconds of a service's window from which it is taken for a minute."""

_LISTEN = 5.0
_WINDOWS = 3
"""For how many seconds, and times the longest reset, answers have to be heard before that reset
is taken for the window: right before a window turns, resets are short."""

_MOST_LAG = 1.0
_MARGIN = 0.005
"""Requests arrive nearer together than they are sent by as much as their ways differ: half of the
latency is the most that a way takes. And a share of the window, for clocks that differ."""

_EVENLY = 0.98
"""Share of a bucket's rate that is counted on, for the same reason."""

_SAMPLES = 16
_ENOUGH = 4
_SPREAD = 0.1
"""How many answers show whether a budget is a bucket, and how well they have to agree."""


@dataclass(slots=True)
class Mark:
    """A request that was counted.

    Attributes:
        at: when it was sent.
        amount: what it was counted as; what it really took, once that is known.
        before: what had been answered in all when it was sent.
        freed: what had come back in all when it was sent.
    """

    at: float
    amount: int
    before: float
    freed: float


class Told:
    """One budget of a service: its requests, or its tokens.

    Attributes:
        limit: allowed per window; None where the service does not say.
        left: what may still be sent now, as far as is known; None before the service says.
        rate: what comes back a second, where the budget is a bucket; else None.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self.left: float | None = None
        self.rate: float | None = None
        self._out = Outstanding()
        self._answered = 0.0
        self._freed = 0.0
        self._lag = 0.0
        self._first_heard: float | None = None
        self._heard = float("-inf")
        self._advanced = float("-inf")
        self._longest = 0.0
        self._whole: float | None = None
        self._stretch = 1.0
        self._seen: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)

    @property
    def window(self) -> float:
        """Seconds after which what was sent is believed to be back.

        A reset is as long as a window at most: how long that is shows after a few windows alone.
        """
        if self._whole is not None:
            return self._whole
        listened = 0.0 if self._first_heard is None else self._heard - self._first_heard
        if self._longest > 0 and listened >= max(_LISTEN, _WINDOWS * self._longest):
            return self._longest
        return max(_USUAL_WINDOW, self._longest)

    @property
    def a_minute(self) -> bool:
        """Whether the limit is known to be one a minute, or a longer time."""
        return self.limit is not None and max(self._longest, self._whole or 0.0) >= _MINUTELY

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
        until = self._out.until(needed, self._stay)
        if until is not None:
            return max(until - now, 1e-3)
        # What is missing was not sent from here; after a window one request may ask anew.
        return max(0.0, max(self._heard, self._out.newest or 0.0) + self._stay - now)

    def spend(self, amount: int, now: float) -> Mark:
        """Count what is sent now."""
        self._advance(now)
        self._out.sent += amount
        self._out.add(amount, now, self.window)
        if self.left is not None:
            self.left = max(0.0, self.left - amount)
        return Mark(now, amount, self._answered, self._freed)

    def settle(self, mark: Mark, actual: int | None, now: float) -> None:
        """A request is back; ``actual``: what it really took, where that is known.

        To be called before ``hear``: what an answer says is left has the actual number in it.
        """
        self._lag = min(_MOST_LAG, max((now - mark.at) / 2, self._lag * 0.995))
        if actual is not None and actual < mark.amount:
            more, mark.amount = mark.amount - actual, actual
            self._out.sent -= more
            self._out.free(more, newest=True)
            if self.left is not None:
                self.left += more
        self._answered += mark.amount

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
            self._longest = max(self._longest, reset)
        changed = limit != self.limit
        if limit is not None and limit > 0:
            if changed and self.left is not None:
                # More is allowed, but it is not left yet, and when it will be was not said.
                self._out.add(limit - self.left - self._out.total, now, self.window)
                self._out.forget_words()
            self.limit = limit
        if left is None:
            return
        self._advance(now)
        self._heard = now
        if self._first_heard is None:
            self._first_heard = now
        self._recognise(left, reset)
        # What has come back since it was sent need not have been back then. (What a bucket has
        # gained since then is in its next answer, and here it would be counted too early.)
        since = 0.0 if self.rate is not None else self._freed - mark.freed
        if refused and not changed and left < mark.amount <= (self.left or 0) - since:
            # Something seemed to be left: it comes back later than the service says.
            self.rate = self._whole = None
            self._seen.clear()
            self._stretch = min(self._stretch * 2, max(1.0, _USUAL_WINDOW / self.window))
        elif not refused:
            self._stretch = max(1.0, self._stretch * 0.99)
        # Nothing beyond what was sent and not back before this request was can be missing in it.
        uncounted = max(0.0, self._out.sent - mark.before - mark.amount)
        self._correct(left + since, left - uncounted, now)
        if reset is not None and not refused:
            counted = min(now, mark.at + self._lag)
            back = counted + reset * self._stretch * (1 + _MARGIN)
            self._out.promise(back, mark.before + mark.amount, self.window)

    def _correct(self, most: float, least: float, now: float) -> None:
        """What is left lies between two numbers: where in between, the own account says."""
        least = max(0.0, min(least, most))
        if self.limit is not None:
            left = self.limit - self._out.total
        else:
            left = least if self.left is None else self.left
        if left > most:  # somebody else uses the same budget, or it has shrunk
            self._out.add(left - most, now, self.window)
            left = most
        elif left < least:
            self._freed += least - left
            self._out.free(least - left)
            left = least
        self.left = max(0.0, left)
        if self.limit is not None:  # it was larger: what is over will never come back
            self._out.free(self.left + self._out.total - self.limit)

    @property
    def _stay(self) -> float:
        window = self.window
        return window * self._stretch * (1 + _MARGIN) + min(self._lag, window / 2)

    def _advance(self, now: float) -> None:
        passed, self._advanced = now - self._advanced, max(now, self._advanced)
        if self.rate is not None and self.left is not None and passed > 0:
            gained = min(self.rate * passed, (self.limit or 0) - self.left)
            if gained > 0:
                self.left += gained
                self._freed += gained
                self._out.free(gained)
        back = self._out.back(now, self._stay)
        if back > 0 and self.left is not None:
            most = float("inf") if self.limit is None else max(0.0, self.limit - self.left)
            self.left += min(back, most)
            self._freed += back

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
        self._whole = middle if fits else None
