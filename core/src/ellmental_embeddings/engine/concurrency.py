"""How many requests may be in flight: additive increase, multiplicative decrease. Pure.

It starts with a few, since the first answers say what the service allows, and multiplies while
nothing speaks against it: 4, 16, 64 in three round trips. Refusals and failures halve it; from
then on it grows by one a round. Where more in flight only makes every answer later, it stays.
"""

from __future__ import annotations

__all__ = ["Concurrency"]

FIRST = 4
"""In flight before the first answer. Against a service that allows everything, 400 requests at
100 ms then take 8 round trips where 64 at once from the start would take 7; against one that
allows ten a minute, none is refused."""

FACTOR = 4
"""Growth a round until something speaks against it."""

ENOUGH = 16
"""In flight below which a longer latency does not stop the growth: it is too small a number to
cause it, and small numbers measure badly."""

SLOWER = 2.5
"""Latency, as a multiple of the best for requests of the same size, that stops the growth."""

_TOGETHER = 1.0
"""Seconds within which refusals are taken to have one cause."""

_FORGET = 1.0002
"""The best latency is believed a little less with every answer: services change."""

_SHARE_FAILED = 0.4
"""Share of the last answers that have to be failures before they are taken for overload: single
ones happen to every service, and slowing down would not mend them."""

_MEMORY = 0.05
"""Weight of the newest answer in running means: about the last twenty count."""


class Concurrency:
    """Decides how many requests may be in flight.

    Attributes:
        most: never more than this.
        allowed: how many now, at least 1.
        in_flight: how many there are.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.allowed = float(min(FIRST, most))
        self.in_flight = 0
        self._growing = True
        self._shrunk = float("-inf")
        self._failing = 0.0
        self._slower = 1.0
        self._best: dict[int, float] = {}

    @property
    def full(self) -> bool:
        """Whether no further request may be sent now."""
        return self.in_flight >= int(self.allowed)

    def answered(self, latency: float, tokens: int) -> None:
        """A request that is still counted as in flight was answered well.

        Args:
            latency: seconds it took.
            tokens: its size; latencies are compared among requests of similar size alone.
        """
        self._failing *= 1 - _MEMORY
        size = tokens.bit_length()
        best = min(latency, self._best.get(size, latency) * _FORGET)
        self._best[size] = best
        self._slower += _MEMORY * (latency / max(best, 1e-6) - self._slower)
        if self.in_flight < self.allowed / 2:
            return  # what is not used is not known to be good
        if self._slower > SLOWER and self.allowed >= ENOUGH:
            self._growing = False
            return
        grown = FACTOR - 1 if self._growing else 1 / self.allowed
        self.allowed = min(float(self.most), self.allowed + grown)

    def roomy(self) -> None:
        """The service says that far more is allowed than can be in flight: no need to try it."""
        if self._growing:
            self.allowed = float(self.most)

    def refused(self, now: float) -> None:
        """The service asked to slow down. Refusals that come together count once."""
        self._growing = False
        if now - self._shrunk >= _TOGETHER:
            self._shrunk = now
            self.allowed = max(1.0, self.allowed / 2)

    def failed(self, now: float) -> None:
        """It failed, or did not answer in time."""
        self._failing += _MEMORY * (1 - self._failing)
        if self._failing > _SHARE_FAILED:
            self.refused(now)

    def narrow(self, most: int) -> None:
        """No more than this many are of use, as has been learnt."""
        self.most = min(self.most, most)
        self.allowed = min(self.allowed, float(self.most))
