"""What was sent over the last minute: so that EMBEDDING_RPM and EMBEDDING_TPM hold in any 60 s.

A sliding window, kept in slots of a quarter of a second: constant memory at any rate, and small
enough to be shared between processes as a file (``shared.py``). Pure: the time is passed in.

With the service's own limits as its own, a sliding window is the safe choice whatever the
service counts with: what it lets go is also let go by a bucket that fills up evenly, by fixed
windows and by sliding ones, and over a long run all of them let go as much.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

__all__ = ["MINUTE", "PER_SLOT", "SLOTS", "Ledger", "Most"]

MINUTE = 60.0

PER_SLOT = 0.25
"""Seconds that one slot stands for."""

SLOTS = 256

_MARGIN = 1.0
"""Seconds beyond the minute: requests that are sent a minute apart may arrive nearer than that,
the first over a connection that still had to be opened. Costs 2% of the rate."""

_AHEAD = 2.0
"""Seconds that an entry may lie in the future: processes read the clock one after another.
Anything later was written before the clock was set back."""


@dataclass(frozen=True, slots=True)
class Most:
    """What any minute may hold; None is without limit."""

    requests: int | None = None
    tokens: int | None = None

    def __bool__(self) -> bool:
        return self.requests is not None or self.tokens is not None


class Ledger:
    """Requests and tokens of the last minute.

    Attributes:
        slots: int64, shape (SLOTS, 3): which quarter second since the clock's zero, requests,
            tokens. Quarter second q is kept in row q % SLOTS.
        not_before: nothing is to be sent before; on the ledger's clock.
        shared: whether other processes keep it, too.
    """

    shared = False

    def __init__(self) -> None:
        self.not_before = float("-inf")
        self.slots: NDArray[np.int64] = np.zeros((SLOTS, 3), dtype=np.int64)
        self.slots[:, 0] = -(2**40)

    def held(self, now: float) -> AbstractContextManager[float | None]:
        """Keep others from it meanwhile; yields the time on its own clock.

        None where others keep it just now: nothing may be read or written then.
        """
        return nullcontext(now)

    def wait(self, tokens: int, most: Most, now: float) -> float:
        """Seconds until a request may be sent; one over a whole budget waits for all of it."""
        if not most:
            return 0.0
        since = int((now - MINUTE - _MARGIN) // PER_SLOT)
        until = int((now + _AHEAD) // PER_SLOT)
        alive = self.slots[(self.slots[:, 0] >= since) & (self.slots[:, 0] <= until)]
        wait = 0.0
        for column, amount, limit in ((1, 1, most.requests), (2, tokens, most.tokens)):
            if limit is None:
                continue
            excess = int(alive[:, column].sum()) + min(amount, limit) - limit
            if excess <= 0:
                continue
            ordered = alive[np.argsort(alive[:, 0])]
            freed = np.cumsum(ordered[:, column])
            last = int(ordered[int(np.searchsorted(freed, excess)), 0])
            wait = max(wait, (last + 1) * PER_SLOT + MINUTE + _MARGIN - now)
        return wait

    def spend(self, tokens: int, now: float) -> int:
        """Count a request that is sent now; returns the quarter second, for ``correct``."""
        quarter = int(now // PER_SLOT)
        slot = self.slots[quarter % SLOTS]
        if slot[0] != quarter:
            slot[:] = (quarter, 0, 0)
        slot[1:] += (1, tokens)
        return quarter

    def correct(self, quarter: int, tokens: int) -> None:
        """So many tokens more (or fewer, if negative) than were counted in that quarter second."""
        slot = self.slots[quarter % SLOTS]
        if slot[0] == quarter:
            slot[2] = max(0, slot[2] + tokens)
