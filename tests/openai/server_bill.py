"""What the stand-in remembers: every request, and every text that it embedded."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Account", "Bill", "Seen"]


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
        billed: whether its texts were paid for.
        broken: whether the answer was spoilt on purpose, so that no client could use it.
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
    billed: bool = False
    broken: bool = False

    @property
    def key(self) -> str | None:
        """What the request presented as a key or token."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return self.headers.get("api-key") or bearer or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a client was billed for, and whether it had to be.

    Attributes:
        requests: requests that came.
        faults: requests that met a fault, harmless ones (another order) too.
        broken: requests whose answer no client could use.
        paid: texts that were paid for, each as often as it was.
        texts: different texts that were answered well.
        spoilt: texts that were paid for in broken answers.
        beyond: texts paid for more often than once and once for each broken answer.
        unread: texts paid for in good answers that the client did not wait for.
    """

    requests: int
    faults: int
    broken: int
    paid: int
    texts: int
    spoilt: int
    beyond: int
    unread: int


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

    def account(self) -> Account:
        """The bill against the list of broken answers, text by text."""
        with self._lock:
            requests, paid, wasted = list(self.requests), self.paid.copy(), self.wasted.copy()
        broken = Counter[str]()
        for seen in requests:
            if seen.billed and seen.broken:
                broken.update(seen.texts)
        fair = paid - broken
        return Account(
            requests=len(requests),
            faults=sum(seen.fault is not None for seen in requests),
            broken=sum(seen.broken for seen in requests),
            paid=paid.total(),
            texts=len(fair),
            spoilt=broken.total(),
            beyond=sum(times - 1 for times in fair.values()),
            unread=(wasted - broken).total(),
        )

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
