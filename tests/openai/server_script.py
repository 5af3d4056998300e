"""Which request meets which fault: a queue for the next ones, and rules for certain texts."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from server_faults import Fault, make_fault

__all__ = ["Script"]

Rule = Callable[[Sequence[str]], Fault | None]


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
