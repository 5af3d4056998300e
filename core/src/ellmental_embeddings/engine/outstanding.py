"""What was sent of one budget and is believed not to be back yet. Pure: the time is passed in.

Two things bring an amount back: its age, a window after it was sent; and what an answer said,
that all it knew of is back at a certain time. Whichever comes first holds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Outstanding"]

_MERGED = 1 / 200
"""Share of the window over which what was sent, or said, is kept as one: bounds what is kept."""


@dataclass(slots=True)
class _Spent:
    first: float
    last: float
    amount: float


@dataclass(slots=True)
class _Word:
    """From ``at`` on, nothing is missing but what was sent after the first ``known``."""

    first: float
    at: float
    known: float


class Outstanding:
    """Amounts by the time they were sent.

    Attributes:
        total: all that is not back.
        sent: all that was ever sent, in the amounts that are known by now.
    """

    def __init__(self) -> None:
        self.total = 0.0
        self.sent = 0.0
        self._log: deque[_Spent] = deque()
        self._words: deque[_Word] = deque()

    def add(self, amount: float, now: float, window: float) -> None:
        """So much is missing from now on."""
        if amount <= 0:
            return
        self.total += amount
        newest = self._log[-1] if self._log else None
        if newest is not None and now - newest.first < window * _MERGED:
            newest.last, newest.amount = max(now, newest.last), newest.amount + amount
        else:
            self._log.append(_Spent(now, now, amount))

    def free(self, amount: float, *, newest: bool = False) -> None:
        """Forget so much, the oldest first: it is back already."""
        while self._log and amount > 0:
            spent = self._log[-1 if newest else 0]
            taken = min(spent.amount, amount)
            spent.amount -= taken
            amount -= taken
            self.total -= taken
            if spent.amount <= 0:
                _ = self._log.pop() if newest else self._log.popleft()
        if not self._log:
            self.total = 0.0

    def promise(self, at: float, known: float, window: float) -> None:
        """An answer says that all of the first ``known`` that were sent is back at a time."""
        words = self._words
        while words and words[-1].at >= at and words[-1].known <= known:
            words.pop()
        newest = words[-1] if words else None
        if newest is None:
            words.append(_Word(at, at, known))
        elif known > newest.known:
            if at - newest.first < window * _MERGED:
                newest.at, newest.known = max(at, newest.at), known
            else:
                words.append(_Word(at, max(at, newest.at), known))

    def forget_words(self) -> None:
        """What answers said of the time when all is back no longer holds."""
        self._words.clear()

    def back(self, now: float, stay: float) -> float:
        """Take away what is back by now, and say how much that is; ``stay``: seconds by age."""
        before = self.total
        while self._log and self._log[0].last + stay <= now:
            self.free(self._log[0].amount)
        while self._words and self._words[0].at <= now:
            self.free(self.total - (self.sent - self._words.popleft().known))
        return before - self.total

    def until(self, amount: float, stay: float) -> float | None:
        """When so much of it is back; None if it is not all that is missing."""
        found = None
        missing = amount
        for spent in self._log:
            missing -= spent.amount
            if missing <= 0:
                found = spent.last + stay
                break
        for word in self._words:
            if self.total - (self.sent - word.known) >= amount:
                return word.at if found is None else min(found, word.at)
        return found

    @property
    def newest(self) -> float | None:
        """When the last of it was sent."""
        return self._log[-1].last if self._log else None
