"""Which request meets which fault: a queue for the next ones, and rules for certain texts."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence

from server_faults import Fault, make_fault

__all__ = ["Script", "Way"]

Rule = Callable[[Sequence[str]], Fault | None]
Way = tuple[str, dict[str, object]]
"""A fault by its name, with its arguments."""


class Script:
    """What is to go wrong. Written by tests, read by the server's thread."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque()
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def next(self, name: str, *, times: int = 1, **arguments: object) -> None:
        """The next requests for embeddings meet this fault."""
        with self._lock:
            self._queue.extend([make_fault(name, **arguments)] * times)

    def when(self, contains: str, name: str, **arguments: object) -> None:
        """Every request that has a text with ``contains`` in it meets this fault."""
        fault = make_fault(name, **arguments)
        self.rule(lambda texts: fault if any(contains in text for text in texts) else None)

    def always(self, name: str, **arguments: object) -> None:
        """Every request meets this fault."""
        fault = make_fault(name, **arguments)
        self.rule(lambda _: fault)

    def some(self, share: float, ways: Sequence[Way], *, seed: int = 0) -> None:
        """A share of the requests meets a fault, each of the ways as often as the others.

        Which ones follows from the seed, the texts, and how often they were sent together: not
        from the order in which requests happen to come.

        Args:
            share: from 0 to 1.
            ways: names of faults, with their arguments.
            seed: another one, other requests.
        """
        faults = [make_fault(name, **arguments) for name, arguments in ways]
        sent = Counter[bytes]()

        def rule(texts: Sequence[str]) -> Fault | None:
            same = hashlib.blake2b("\0".join(texts).encode(), digest_size=16).digest()
            sent[same] += 1
            drawn = hashlib.blake2b(same + b"%d %d" % (seed, sent[same]), digest_size=8).digest()
            number = int.from_bytes(drawn, "little") / 2**64
            return faults[int(number / share * len(faults))] if number < share else None

        self.rule(rule)

    def rule(self, rule: Rule) -> None:
        """Every request meets what the function of its texts gives."""
        with self._lock:
            self._rules.append(rule)

    def take(self, texts: Sequence[str]) -> Fault | None:
        """The fault that a request meets."""
        with self._lock:
            if self._queue:
                return self._queue.popleft()
            rules = list(self._rules)
        return next((fault for fault in (rule(texts) for rule in rules) if fault), None)

    def put_back(self, fault: Fault) -> None:
        """The request was refused before the fault could show."""
        with self._lock:
            self._queue.appendleft(fault)

    @property
    def pending(self) -> list[str]:
        """Names of the queued faults that no request has met yet."""
        with self._lock:
            return [fault.name for fault in self._queue]

    def forget(self) -> None:
        """Nothing goes wrong from now on."""
        with self._lock:
            self._queue.clear()
            self._rules.clear()
