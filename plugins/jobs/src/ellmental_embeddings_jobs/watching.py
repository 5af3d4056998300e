"""Who watches a job: a person at a terminal, a log file, or a program that reads events."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from .progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from .document import Failure
    from .job import Tally
    from .prices import Price

__all__ = ["SHOWN", "Watcher"]

SHOWN = 5
"""Failures that people are told of one by one."""

_SECONDS = 1.0  # between two events about progress


class Watcher:
    """Tells people on stderr, and programs, where they asked for it, on stdout.

    Args:
        total: bytes of all inputs; None where one has no known size.
        events: whether to print events: one JSON object a line, see docs/reference/jobs.md.
        price: of the tokens, where it is known.
        stream: where people look.
        clock: seconds, for tests.

    Attributes:
        began: when, on the clock.
    """

    def __init__(
        self,
        total: int | None,
        *,
        events: bool,
        price: Price | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._events = events
        self._price = price
        self._clock = clock
        self._bar = Progress(total, stream or sys.stderr, clock)
        self._next = self.began = clock()
        self._first: tuple[float, int] | None = None  # when the first text was embedded, and where

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return self._clock() - self.began

    def event(self, name: str, **fields: Any) -> None:
        """Print one event. Whoever stops reading events does not stop the job."""
        if not self._events:
            return
        try:
            click.echo(json.dumps({"event": name, **fields}))
        except BrokenPipeError:
            self._events = False
            sys.stdout = open((sys.platform == "win32" and "nul") or "/dev/null", "w")  # noqa: SIM115, PTH123

    def progress(self, tally: Tally) -> None:
        """Tell how far it is, now and then."""
        now = self._clock()
        if self._first is None and tally.texts:
            self._first = (now, tally.done)
            self._next = now
        self._bar.show(
            tally.done,
            tally.rows,
            tally.failed,
            rate=tally.texts / max(now - self.began, 1e-9),
            left=self._left(tally.done, now),
            cost=self._cost(tally),
        )
        if not self._events or now < self._next:
            return
        self._next = now + _SECONDS
        self.event("progress", **self.figures(tally))

    def figures(self, tally: Tally) -> dict[str, Any]:
        """What programs are told about a job's state."""
        seconds = self.seconds
        left = self._left(tally.done, self._clock())
        return {
            "rows": tally.rows,
            "embedded": tally.texts,
            "known": tally.known,
            "failed": tally.failed,
            "documents": tally.documents,
            "split": tally.split,
            "blank": tally.blank,
            "tokens": tally.tokens,
            "cost": self._cost(tally),
            "bytes_done": tally.done,
            "bytes_total": self._total,
            "rows_per_second": round(tally.texts / seconds, 1) if seconds else 0.0,
            "seconds": round(seconds, 3),
            "seconds_left": None if left is None else round(left, 1),
        }

    def failed(self, failure: Failure, number: int) -> None:
        """Tell of a row without a vector: people of the first few, programs of each."""
        if number <= SHOWN:
            self._bar.say(f"failed: {failure.place}: {failure.reason}")
        self.event(
            "failed",
            id=failure.id,
            source=failure.source,
            line=failure.line,
            piece=failure.piece,
            reason=failure.reason,
        )

    def say(self, line: str) -> None:
        """Tell people something."""
        self._bar.say(line)

    def clear(self) -> None:
        """Take what is drawn away."""
        self._bar.clear()

    def _left(self, done: int, now: float) -> float | None:
        """Seconds until the end, from the bytes done with since texts are being embedded."""
        if self._first is None or not self._total:
            return None
        began, before = self._first
        if done <= before or now <= began:
            return None
        return (now - began) * max(self._total - done, 0) / (done - before)

    def _cost(self, tally: Tally) -> float | None:
        if self._price is None or tally.tokens is None:
            return None
        return self._price.of(tally.tokens)
