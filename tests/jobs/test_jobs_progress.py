"""Progress: one line that is redrawn, and how far a job says it is."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ellmental_embeddings_jobs.job import Tally
from ellmental_embeddings_jobs.prices import Price
from ellmental_embeddings_jobs.progress import Progress, duration
from ellmental_embeddings_jobs.watching import Watcher

if TYPE_CHECKING:
    from tests.jobs.conftest import Run


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


@pytest.mark.parametrize(
    ("columns", "bar"),
    [
        (100, "[######------------------]  25%  "),
        (80, "[####--------------]  25%  "),
        (50, " 25%  "),
    ],
)
def test_bar_shows_share_rows_rate_and_failures(
    columns: int, bar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How much is done, rows, rate, seconds left, cost, failures: within the terminal's width."""
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal, clock = Terminal(), Clock()
    progress = Progress(1000, terminal, clock)
    clock.now = 2
    progress.show(250, 5000, 3, rate=2500, left=75, cost=1.5)
    line = f"{bar}5,000 rows, 2,500 rows/s, 75 s left, $1.50, 3 failed"
    assert terminal.screen() == [line[: columns - 1]]


def test_line_is_redrawn_at_most_ten_times_a_second() -> None:
    """A fast job does not spend its time on drawing."""
    terminal, clock = Terminal(), Clock()
    progress = Progress(1000, terminal, clock)
    for step in range(1000):
        clock.now = step / 1000
        progress.show(step, step, 0, rate=1)
    assert 5 <= terminal.getvalue().count("rows/s") <= 11


def test_messages_stand_above_the_line() -> None:
    """A message takes the place of the line, which is drawn again below it, and then cleared."""
    terminal, clock = Terminal(), Clock()
    progress = Progress(None, terminal, clock)
    progress.show(0, 1_000_000, 0, rate=1_000_000)
    progress.say("short")
    clock.now = 1
    progress.show(0, 2, 0, rate=2)
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
    progress.show(5, 5, 5, rate=1)
    progress.say("message")
    progress.clear()
    assert log.getvalue() == "message\n"


def test_durations_are_for_people() -> None:
    """Seconds, minutes and hours, each where it reads best."""
    assert [duration(seconds) for seconds in (42, 600, 7500)] == ["42 s", "10 min", "2 h 05 min"]


def tally(**counts: int) -> Tally:
    """A state of a job."""
    return Tally(**counts)  # type: ignore[arg-type]


def test_seconds_left_follow_what_is_embedded_now() -> None:
    """What an earlier run has done counts as done, and not towards the rate."""
    terminal, clock = Terminal(), Clock()
    watcher = Watcher(1000, events=False, stream=terminal, clock=clock)
    clock.now = 1
    watcher.progress(tally(done=500, rows=50, known=50))
    assert "left" not in terminal.screen()[0]
    clock.now = 2
    watcher.progress(tally(done=600, rows=60, known=50, texts=10))
    clock.now = 4
    watcher.progress(tally(done=800, rows=80, known=50, texts=30))
    assert terminal.screen() == [
        "[###################-----]  80%  80 rows, 8 rows/s, 2 s left",
    ]


def test_cost_is_told_where_price_and_tokens_are_known() -> None:
    """Dollars for a million tokens, times the tokens that the service counted."""
    terminal, clock = Terminal(), Clock()
    watcher = Watcher(None, events=False, price=Price(0.02, "a test"), stream=terminal, clock=clock)
    watcher.progress(tally(rows=1, texts=1, tokens=150_000_000))
    assert "$3.00" in terminal.screen()[0]
    assert watcher.figures(tally(tokens=1_000_000))["cost"] == 0.02
    assert Watcher(None, events=False, clock=clock).figures(tally(tokens=5))["cost"] is None


def test_job_advances_within_a_long_document(ellmental: Run) -> None:
    """The bytes that count as done end at the size of the input, and every piece has its share."""
    Path("a.txt").write_text("word " * 1000 + "\n\nlast\n")
    ran = ellmental("embed", "a.txt", "-o", "out", "--max-tokens", "100", "--json")
    last = json.loads(ran.out.splitlines()[-1])
    assert last["rows"] == 11
    assert last["bytes_done"] == last["bytes_total"] == Path("a.txt").stat().st_size


def test_reader_of_events_that_leaves_does_not_stop_the_job() -> None:
    """`| head -1` gets its line, and the dataset is complete all the same."""
    Path("a.txt").write_text("".join(f"text {number}\n" for number in range(3000)))
    command = f"{sys.executable} -m scripted_main embed a.txt -o out --json | head -1"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout)["event"] == "started"
    assert "3,000 rows from 3,000 documents" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert json.loads(Path("out/_manifest.json").read_text())["complete"] is True
