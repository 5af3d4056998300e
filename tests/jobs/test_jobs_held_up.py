"""A row that takes long holds up those behind it: they are finished, and said to be."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet

from ellmental_embeddings_jobs.journaled import journaled_rows

if TYPE_CHECKING:
    from tests.jobs.conftest import Run

ROWS, WIDTH = 2000, 10  # bytes of every line
EMBED = ("embed", "a.txt", "-o", "out")
COMMAND = [sys.executable, "-m", "scripted_main", *EMBED, "--json"]


def write(held: int) -> list[str]:
    """Input whose line ``held`` is the one that takes long."""
    texts = [f"text {number:04}" for number in range(ROWS)]
    texts[held - 1] = f"HOLD {held:04}"
    Path("a.txt").write_text("".join(f"{text}\n" for text in texts))
    return texts


def placed() -> list[str]:
    """Texts of all rows in parts."""
    parts = sorted(Path("out").glob("part-*.parquet"))
    return [text for part in parts for text in parquet.read_table(part)["text"].to_pylist()]


def stopped(monkeypatch: pytest.MonkeyPatch, how: signal.Signals) -> tuple[str, dict[str, Any]]:
    """Run the job until 300 rows behind the held one are finished, and stop it: stderr, event."""
    monkeypatch.setenv("SCRIPTED_HOLDS", "HOLD")
    monkeypatch.setenv("BATCH_SIZE", "10")
    monkeypatch.setenv("EMBEDDING_MAX_CONCURRENCY", "4")
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 50
    while journaled_rows(Path("out")) < 300:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(how)
    if how == signal.SIGINT:
        time.sleep(0.3)
        process.send_signal(how)  # the held request is not waited for
    out, err = process.communicate(timeout=60)
    monkeypatch.delenv("SCRIPTED_HOLDS")
    return err, json.loads(out.splitlines()[-1])


@pytest.mark.parametrize("held", [1, 13])
def test_rows_behind_one_that_takes_long_count_as_finished(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    """Share, rows, the stop message and an early search tell of them; none is sent again."""
    texts = write(held)
    err, last = stopped(monkeypatch, signal.SIGINT)
    parts, journaled = len(placed()), journaled_rows(Path("out"))
    assert parts < held
    assert journaled >= 300
    kept = parts + journaled
    assert (last["event"], last["rows"], last["bytes_done"]) == ("stopped", kept, kept * WIDTH)
    assert (
        f"Stopped: {kept:,} rows kept in out, which is incomplete: {parts} in its parts, "
        f"{journaled:,} in its journal.\nThe same command goes on from there." in err
    )
    search = ellmental("search", "out", "text")
    if parts:
        assert (
            f"only its {parts} rows can be found; {journaled:,} more are in its journal, not "
            "lost: they are there once the same `ellmental embed` command" in search.err
        )
    else:
        assert search.code == 4
        assert f"no rows to show yet: {journaled:,} rows are in its journal" in search.err
    finished = json.loads(ellmental(*EMBED, "--json").out.splitlines()[-1])
    assert (finished["known"], finished["embedded"]) == (kept, ROWS - kept)
    assert placed() == texts
    assert "journal" not in ellmental("search", "out", "text").err


def test_stop_before_the_journal_was_read_through_counts_all_of_it(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier run has finished is kept, also where this one has not come to it."""
    write(13)
    stopped(monkeypatch, signal.SIGKILL)
    kept = len(placed()) + journaled_rows(Path("out"))
    assert kept >= 300
    monkeypatch.setenv("SCRIPTED_STOP_AFTER", "0")
    ran = ellmental(*EMBED)
    assert ran.code == 5
    assert f"Stopped: {kept:,} rows kept in out" in ran.err


def test_rows_that_are_no_texts_are_not_offered_to_be_tried_again(ellmental: Run) -> None:
    """No option can send a row without a text: neither message nor --retry-failed promises it."""
    Path("a.jsonl").write_text('{"text": "one"}\n{"text": 5}\n')
    command = ("embed", "a.jsonl", "-o", "out")
    assert ellmental(*command).code == 1
    for option in ((), ("--retry-failed",)):
        ran = ellmental(*command, *option)
        assert ran.code == 1
        assert "Nothing to do: out has all of the input, 1 row, 1 failed row." in ran.err


def test_input_that_is_read_once_is_not_said_to_have_changed() -> None:
    """Standard input cannot be compared beforehand, and that is what is said."""
    command = [sys.executable, "-m", "scripted_main", "embed", "-", "-o", "out"]
    for _ in range(2):
        ran = subprocess.run(command, input=b"one\ntwo\n", capture_output=True, check=True)
    assert b"out is complete. Its input can be read only once: it is compared" in ran.stderr
    assert b"2 rows from 2 documents, 2 of them there before" in ran.stderr
