"""What goes wrong from outside: Ctrl-C, kill, a full disk, memory. Real processes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet

from ellmental_embeddings_jobs.interrupts import Interrupts

if TYPE_CHECKING:
    from tests.jobs.conftest import Run

ELLMENTAL = [sys.executable, "-m", "scripted_main"]


def rows(out: str) -> list[dict[str, Any]]:
    """All rows of a dataset."""
    found: list[dict[str, Any]] = []
    for part in sorted(Path(out).glob("part-*.parquet")):
        found += parquet.read_table(part).to_pylist()
    return found


def begin(*arguments: str) -> subprocess.Popen[str]:
    """Start the command as a process."""
    return subprocess.Popen([*ELLMENTAL, *arguments], stderr=subprocess.PIPE, text=True)


def wait_for(path: str, *, process: subprocess.Popen[str]) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + 60
    while not Path(path).exists():
        assert process.poll() is None, "the process ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def interrupt(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Press Ctrl-C, once, and wait for the end."""
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def said_to_be_in_parts(err: str) -> int:
    """The rows that the last words of a job find in its parts; they add up to what is kept."""
    said = re.search(
        r"Stopped: (\S+) rows kept in out, which is incomplete"
        r"(?:: (\S+) in its parts, (\S+) in its journal)?\.",
        err,
    )
    assert said is not None, err
    kept, parts, journaled = (int((one or "0").replace(",", "")) for one in said.groups())
    if said[2] is None:
        return kept
    assert kept == parts + journaled
    return parts


def go_on(*arguments: str) -> dict[str, Any]:
    """Run the same command to its end, in this process's surroundings; its last event."""
    ran = subprocess.run([*ELLMENTAL, *arguments, "--json"], capture_output=True, check=True)
    last: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return last


def test_ctrl_c_keeps_what_was_finished(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 130, whole parts alone, and everywhere it is said that this is not all."""
    monkeypatch.setenv("SCRIPTED_DELAY", "0.05")
    monkeypatch.setenv("BATCH_SIZE", "10")
    monkeypatch.setenv("EMBEDDING_MAX_CONCURRENCY", "2")
    Path("a.txt").write_text("".join(f"text {number}\n" for number in range(10_000)))
    process = begin("embed", "a.txt", "-o", "out")
    wait_for("out/_manifest.json", process=process)
    time.sleep(1.5)
    code, err = interrupt(process)
    assert code == 130
    assert "Traceback" not in err
    kept = rows("out")
    assert 0 < len(kept) < 10_000
    assert "rows kept in out, which is incomplete" in err
    assert said_to_be_in_parts(err) == len(kept)
    assert [row["text"] for row in kept] == [f"text {row['line'] - 1}" for row in kept]
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "_journal",
        "_manifest.json",
        "part-00000.parquet",
    ]
    manifest = json.loads(Path("out/_manifest.json").read_text())
    assert (manifest["complete"], manifest["reason"]) == (False, "interrupted")
    assert "out is incomplete (interrupted)" in ellmental("search", "out", "text").err
    monkeypatch.setenv("SCRIPTED_DELAY", "0")
    finished = go_on("embed", "a.txt", "-o", "out")
    assert finished["known"] >= len(kept)
    assert finished["embedded"] + finished["known"] == 10_000
    assert [row["text"] for row in rows("out")] == [f"text {number}" for number in range(10_000)]


def test_second_ctrl_c_before_the_first_row_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends at once; where no row was finished there is no OUT, and that is said."""
    monkeypatch.setenv("SCRIPTED_DELAY", "20")
    Path("a.txt").write_text("text\n")
    process = begin("embed", "a.txt", "-o", "out")
    wait_for("out/_journal", process=process)
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    code, err = interrupt(process)
    assert code == 130
    assert "Once more stops at once." in err
    assert "nothing is kept" in err
    assert not Path("out").exists()
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_input_is_waited_for(number: signal.Signals) -> None:
    """A job that waits for more standard input ends too, with the code that shells have for it."""
    process = subprocess.Popen(
        [*ELLMENTAL, "embed", "-", "-o", "out"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write("".join(f"text {number}\n" for number in range(1000)))
    process.stdin.flush()
    wait_for("out/_journal/vectors-00001.arrow", process=process)
    process.send_signal(number)
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(60) == 128 + number
    process.stdin.close()
    process.stderr.close()
    assert "Traceback" not in err
    kept = rows("out")
    assert kept
    assert said_to_be_in_parts(err) == len(kept)


def test_kill_leaves_whole_parts_and_no_claim(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After kill -9 every part can be read, and the dataset does not call itself complete."""
    script = textwrap.dedent("""
        from ellmental_embeddings_jobs.dataset import writer
        writer.ROWS_PER_GROUP, writer.ROWS_PER_PART = 100, 400
        from ellmental_embeddings.cli.main import main
        main(["embed", "a.txt", "-o", "out"])
    """)
    monkeypatch.setenv("SCRIPTED_DELAY", "0.02")
    Path("a.txt").write_text("".join(f"text {number}\n" for number in range(20_000)))
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    wait_for("out/part-00003.parquet", process=process)
    process.kill()
    process.communicate(timeout=60)
    assert len(rows("out")) >= 1600
    ran = ellmental("search", "out", "text", "-k", "1")
    assert ran.code == 0
    assert "out is incomplete (the job was killed, or still runs)" in ran.err
    finished = go_on("embed", "a.txt", "-o", "out")
    assert finished["known"] >= 1600
    assert [row["line"] for row in rows("out")] == list(range(1, 20_001))


def test_memory_does_not_grow_with_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight times the rows take about the same memory at their peak."""
    monkeypatch.setenv("SCRIPTED_WIDTH", "512")
    script = textwrap.dedent("""
        import resource, sys
        from ellmental_embeddings_jobs.dataset import writer
        writer.ROWS_PER_GROUP, writer.ROWS_PER_PART = 1000, 4000
        from ellmental_embeddings.cli.main import main
        try:
            main(["embed", sys.argv[1], "-o", sys.argv[1] + ".out"])
        except SystemExit as ended:
            assert not ended.code
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    """)

    def peak(count: int) -> int:
        name = f"{count}.txt"
        line = " filler" * 40
        Path(name).write_text("".join(f"text {number}{line}\n" for number in range(count)))
        command = [sys.executable, "-c", script, name]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        return int(ran.stdout)

    small, large = peak(10_000), peak(80_000)
    # 70,000 rows more are 143 MB of vectors and 20 MB of text.
    assert large - small < 60


def test_first_signal_runs_out_and_a_second_waits_for_rows_that_are_put_away() -> None:
    """The first one calls what ends the job gently; the next comes through when a shield ends."""
    done = []
    with Interrupts() as interrupts:
        interrupts.run_out_by(lambda: done.append("running out"))
        signal.raise_signal(signal.SIGINT)
        assert interrupts.stopped_by == signal.SIGINT

        def put_away() -> None:
            with interrupts.shield():
                signal.raise_signal(signal.SIGINT)
                done.append("whole")

        with pytest.raises(KeyboardInterrupt):
            put_away()
    assert done == ["running out", "whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interrupts_stay_ignored_where_they_are() -> None:
    """Started with SIGINT ignored (nohup, background), a job leaves that as it is."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_interrupts_are_left_alone_in_threads() -> None:
    """Only the main thread may handle signals: elsewhere nothing is touched, nothing raised."""
    seen: list[object] = []

    def enter() -> None:
        with Interrupts() as interrupts, interrupts.shield():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_progress_on_a_terminal() -> None:
    """On a terminal a bar is drawn and taken away again; the summary stands alone at the end."""
    Path("a.txt").write_text("".join(f"text {number}\n" for number in range(20_000)))
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*ELLMENTAL, "embed", "a.txt", "-o", "out"], stderr=theirs)
    os.close(theirs)
    drawn = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while chunk := os.read(ours, 4096):
            drawn += chunk
    os.close(ours)
    assert process.wait(60) == 0
    assert b"rows/s" in drawn
    assert b"[#" in drawn
    assert drawn.decode().split("\r")[-2].startswith("20,000 rows from 20,000 documents")


def test_no_progress_in_a_log(ellmental_process: Run) -> None:
    """Where stderr is no terminal, nothing is drawn: two lines in all."""
    Path("a.txt").write_text("".join(f"text {number}\n" for number in range(2_000)))
    ran = ellmental_process("embed", "a.txt", "-o", "out")
    assert ran.code == 0
    assert "\r" not in ran.err
    assert len(ran.err.splitlines()) == 2


def test_standard_input_is_read_as_lines() -> None:
    """``-`` reads lines until the other end is done; rows are named after stdin."""
    ran = subprocess.run(
        [*ELLMENTAL, "embed", "-", "-o", "out"],
        input=b"one\n\ntwo\n",
        capture_output=True,
        check=True,
    )
    assert b"2 rows from 2 documents" in ran.stderr
    assert [(row["id"], row["text"]) for row in rows("out")] == [
        ("stdin:1", "one"),
        ("stdin:3", "two"),
    ]


def test_closed_standard_input_is_an_error() -> None:
    """A command that was started without any input says so."""
    command = f"{sys.executable} -m scripted_main embed - -o out <&-"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert ran.returncode == 4
    assert "no standard input" in ran.stderr


def test_bad_byte_on_standard_input_keeps_what_came_before() -> None:
    """What cannot be checked beforehand ends the job where it is bad, and says what is kept."""
    lines = b"".join(b"text %d\n" % number for number in range(5000))
    ran = subprocess.run(
        [*ELLMENTAL, "embed", "-", "-o", "out", "--on-bad", "stop"],
        input=lines + b"caf\xe9\n",
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 5
    assert b"stdin: line 5001: byte offset" in ran.stderr
    kept = rows("out")
    assert said_to_be_in_parts(ran.stderr.decode()) == len(kept)
    assert json.loads(Path("out/_manifest.json").read_text())["complete"] is False


def test_help_imports_next_to_nothing() -> None:
    """The plugin costs the command line's start a module a command, and none of others."""
    script = textwrap.dedent("""
        import sys
        import click, ellmental_embeddings.cli.main, ellmental_embeddings.hookspecs
        before = set(sys.modules)
        import ellmental_embeddings_jobs
        ellmental_embeddings_jobs.ellmental_commands(click.Group())
        print(*sorted(set(sys.modules) - before))
    """)
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    added = ran.stdout.split()
    own = [name for name in added if name.startswith("ellmental")]
    assert all("_jobs.commands" in name for name in own[1:])
    assert len(added) - len(own) <= 3  # click itself looks at the locale
