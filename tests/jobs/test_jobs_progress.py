"""Progress: one line that is redrawn, and how far a job says it is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

from ellmental_embeddings_jobs.job import Job
from ellmental_embeddings_jobs.progress import Progress
from ellmental_embeddings_jobs.sources import Columns, open_sources
from ellmental_embeddings_jobs.splitting import Splitter


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True

    def screen(self) -> list[str]:
        """What a terminal would show: a carriage return writes over the line."""
        shown = []
        for line in self.getvalue().split("\n"):
            seen = ""
            for written in line.split("\r"):
                seen = written + seen[len(written) :]
            shown.append(seen.rstrip())
        return shown


class Clock:
    """Seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_bar_shows_share_rows_rate_and_failures() -> None:
    """The line says how much of the input is read, how many rows, how fast, how many failed."""
    terminal, clock = Terminal(), Clock()
    progress = Progress(1000, terminal, clock)
    clock.now = 2
    progress.show(250, 5000, 3)
    assert terminal.screen() == [
        "[######------------------]  25%  5,000 rows, 2,500 rows/s, 3 failed"
    ]


def test_line_is_redrawn_at_most_ten_times_a_second() -> None:
    """A fast job does not spend its time on drawing."""
    terminal, clock = Terminal(), Clock()
    progress = Progress(1000, terminal, clock)
    for step in range(1000):
        clock.now = step / 1000
        progress.show(step, step, 0)
    assert 5 <= terminal.getvalue().count("rows/s") <= 11


def test_messages_stand_above_the_line() -> None:
    """A message takes the place of the line, which is drawn again below it, and then cleared."""
    terminal, clock = Terminal(), Clock()
    progress = Progress(None, terminal, clock)
    progress.show(0, 1_000_000, 0)
    progress.say("short")
    clock.now = 1
    progress.show(0, 2, 0)
    assert terminal.screen() == ["short", "2 rows, 2 rows/s"]
    progress.clear()
    assert terminal.screen() == ["short", ""]
    written = terminal.getvalue()
    progress.clear()
    assert terminal.getvalue() == written


def test_nothing_is_drawn_where_nobody_looks() -> None:
    """A log file gets messages alone."""
    log = io.StringIO()
    progress = Progress(10, log)
    progress.show(5, 5, 5)
    progress.say("message")
    progress.clear()
    assert log.getvalue() == "message\n"


def test_job_advances_within_a_long_document() -> None:
    """The bytes that count as done grow with every piece, and end at the size of the input."""
    Path("a.txt").write_text("word " * 1000 + "\n\nlast\n")
    nothing = cast("Any", None)
    job = Job(
        sources=open_sources(["a.txt"], Columns()),
        generator=nothing,
        splitter=Splitter(100, len, lambda text: len(text.split())),
        writer=nothing,
        progress=nothing,
        interrupts=nothing,
    )
    done = [job.tally.done for _ in job._texts()]
    assert len(done) == 11
    assert done == sorted(set(done))
    assert 450 <= done[0] <= 550
    assert job.tally.done == Path("a.txt").stat().st_size
