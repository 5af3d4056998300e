"""What the stand-in remembers: every request, and every text that it embedded."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Bill", "Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that came, and what became of it.

    Attributes:
        at: seconds on the monotonic clock.
        method, path, query, headers: as sent; header names in small letters.
        body: the JSON body, or None.
        texts: the texts asked for, empty where the body has none.
        status: what was answered; 0 where nothing was.
        fault: the name of the fault that was played, or None.
        peer: the client's address and port: one connection, one peer.
    """

    at: float
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, object] | None
    texts: tuple[str, ...]
    status: int
    fault: str | None
    peer: str

    @property
    def key(self) -> str | None:
        """What the request presented as a key or token."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return self.headers.get("api-key") or bearer or None


@dataclass(slots=True)
class Bill:
    """Texts paid for, and of these the ones whose answer was broken on purpose or never read."""

    paid: Counter[str] = field(default_factory=Counter)
    wasted: Counter[str] = field(default_factory=Counter)
    requests: list[Seen] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def charge(self, texts: Iterable[str]) -> None:
        """Texts were embedded."""
        with self._lock:
            self.paid.update(texts)

    def waste(self, texts: Iterable[str]) -> None:
        """Texts were embedded, and the client never had a usable answer."""
        with self._lock:
            self.wasted.update(texts)

    def note(self, seen: Seen) -> None:
        """A request was answered, or dropped."""
        with self._lock:
            self.requests.append(seen)

    def forget(self) -> None:
        """Start anew."""
        with self._lock:
            self.paid.clear()
            self.wasted.clear()
            self.requests.clear()

    def paid_twice(self) -> dict[str, int]:
        """Texts that were answered well more than once: money the client threw away."""
        with self._lock:
            fair = self.paid - self.wasted
        return {text: times for text, times in fair.items() if times > 1}

    def never_paid(self, texts: Iterable[str]) -> list[str]:
        """Which of these texts were never answered well."""
        with self._lock:
            fair = self.paid - self.wasted
        return [text for text in dict.fromkeys(texts) if fair[text] < 1]


def now() -> float:
    """The clock of ``Seen.at``."""
    return time.monotonic()
