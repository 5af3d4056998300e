"""One line on the terminal that says how far a job is. Silent where stderr is no terminal."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

__all__ = ["Progress", "duration"]

_WIDTH = 24
"""Signs of the bar, where the terminal has room for them."""
_SECONDS = 0.1  # between two drawings
_MINUTE, _HOUR = 60, 3600


class Progress:
    """Draws and redraws one line.

    Args:
        total: bytes of all inputs; None where one has no known size (standard input).
        stream: where to draw.
        clock: seconds, for tests.
    """

    def __init__(
        self, total: int | None, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._stream = stream
        self._clock = clock
        self._next = clock()
        self._drawn = 0
        self._live = stream.isatty()

    def show(
        self,
        done: int,
        rows: int,
        failed: int,
        *,
        rate: float,
        left: float | None = None,
        cost: float | None = None,
    ) -> None:
        """Say how far it is.

        Args:
            done: bytes of input that are done with.
            rows: rows with a vector.
            failed: rows without.
            rate: rows embedded a second.
            left: seconds until the end, or None.
            cost: dollars so far, or None.
        """
        now = self._clock()
        if not self._live or now < self._next:
            return
        self._next = now + _SECONDS
        line = f"{rows:,} rows, {rate:,.0f} rows/s"
        if left is not None:
            line += f", {duration(left)} left"
        if cost is not None:
            line += f", ${cost:,.2f}"
        if failed:
            line += f", {failed:,} failed"
        # A line that is wrapped cannot be redrawn.
        room = shutil.get_terminal_size().columns - 1
        line = (self._bar(done, room - len(line)) + line)[:room]
        # The rest of a longer line before is painted over.
        self._stream.write("\r" + line.ljust(self._drawn))
        self._stream.flush()
        self._drawn = len(line)

    def say(self, line: str) -> None:
        """Print a line of its own, above what is drawn."""
        self.clear()
        click.echo(line, file=self._stream)

    def clear(self) -> None:
        """Take the drawn line away."""
        if self._drawn:
            self._stream.write("\r" + " " * self._drawn + "\r")
            self._stream.flush()
            self._drawn = 0

    def _bar(self, done: int, room: int) -> str:
        if not self._total:
            return ""
        share = min(done / self._total, 1.0)
        percent = f"{share:4.0%}  "
        width = min(_WIDTH, room - len(f"[] {percent}"))
        if width <= 0:
            return percent
        filled = int(share * width)
        return f"[{'#' * filled}{'-' * (width - filled)}] {percent}"


def duration(seconds: float) -> str:
    """Seconds for people: ``42 s``, ``3 min``, ``2 h 05 min``."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE):02d} min"
