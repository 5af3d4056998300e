"""The same command again: goes on, does nothing, or takes over changes; it never pays twice."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pyarrow import parquet

from ellmental_embeddings import load_generator
from ellmental_embeddings_jobs.dataset import writer

if TYPE_CHECKING:
    from tests.jobs.conftest import Ran, Run


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 400 rows, so that a few thousand rows have several."""
    monkeypatch.setattr(writer, "ROWS_PER_GROUP", 100)
    monkeypatch.setattr(writer, "ROWS_PER_PART", 400)


def rows(out: str) -> list[dict[str, Any]]:
    """All rows of a dataset, in the order of its parts."""
    found: list[dict[str, Any]] = []
    for part in sorted(Path(out).glob("part-*.parquet")):
        found += parquet.read_table(part).to_pylist()
    return found


def write(texts: list[str], name: str = "a.txt") -> None:
    """A document a line."""
    Path(name).write_text("".join(f"{text}\n" for text in texts))


def last_event(ran: Ran) -> dict[str, Any]:
    """The last event that a command printed."""
    event: dict[str, Any] = json.loads(ran.out.splitlines()[-1])
    return event


def assert_right(out: str, texts: list[str]) -> None:
    """The dataset is these texts, in order, each with its own vector, complete and tidy."""
    found = rows(out)
    assert [row["text"] for row in found] == texts
    with load_generator() as generator:
        expected = generator.embed(texts).vectors
    assert np.array_equal(np.array([row["vector"] for row in found], np.float32), expected)
    manifest = json.loads(Path(out, "_manifest.json").read_text())
    assert (manifest["complete"], manifest["rows"]) == (True, len(texts))
    assert not Path(out, "_journal").exists()
    assert not Path(f".{out}.lock").exists()


def stopped_after(ellmental: Run, monkeypatch: pytest.MonkeyPatch, texts: int) -> Ran:
    """Begin a job whose service gives up after so many texts."""
    with monkeypatch.context() as patch:
        patch.setenv("SCRIPTED_STOP_AFTER", str(texts))
        patch.setenv("EMBEDDING_MAX_CONCURRENCY", "2")
        ran = ellmental("embed", "a.txt", "-o", "out")
    assert ran.code == 5, ran.err
    return ran


TEXTS = [f"text {number}" for number in range(2100)]


def test_job_that_was_stopped_goes_on(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was finished is not sent again; the second dataset is as if nothing had happened."""
    write(TEXTS)
    ran = stopped_after(ellmental, monkeypatch, 1000)
    assert "The same command goes on from there." in ran.err
    again = ellmental("embed", "a.txt", "-o", "out", "--json")
    assert again.code == 0
    finished = last_event(again)
    assert finished["known"] >= 1000
    assert finished["known"] + finished["embedded"] == len(TEXTS)
    assert_right("out", TEXTS)


def test_job_stopped_again_and_again_comes_to_its_end(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it stops, each run adds to the one before, and no text is sent twice."""
    write(TEXTS)
    for _ in range(4):
        stopped_after(ellmental, monkeypatch, 450)
    finished = last_event(ellmental("embed", "a.txt", "-o", "out", "--json"))
    assert finished["known"] >= 4 * 450
    assert_right("out", TEXTS)
    sizes = [part["rows"] for part in json.loads(Path("out/_manifest.json").read_text())["parts"]]
    assert max(sizes[:-1]) - min(sizes[:-1]) < 100


def test_vectors_put_aside_outlive_a_service_that_is_gone(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first line is another one, and the service gives up: what was paid for is still there."""
    write(TEXTS)
    stopped_after(ellmental, monkeypatch, 1000)
    for segment in Path("out/_journal").glob("*-*"):  # as where all rows had come into parts
        segment.unlink()
    held = len(rows("out"))
    write(["another", *TEXTS[1:]])
    stopped_after(ellmental, monkeypatch, 0)
    finished = last_event(ellmental("embed", "a.txt", "-o", "out", "--json"))
    assert finished["known"] == held - 1
    assert_right("out", ["another", *TEXTS[1:]])


def test_finished_job_sends_nothing_again(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that there is nothing to do, needs no service for it, and touches no file."""
    write([*TEXTS, "REFUSE"])
    assert ellmental("embed", "a.txt", "-o", "out").code == 1
    before = {path: path.stat().st_mtime_ns for path in Path("out").iterdir()}
    monkeypatch.setenv("SCRIPTED_STOP_AFTER", "0")
    ran = ellmental("embed", "a.txt", "-o", "out", "--json")
    assert ran.code == 1  # the failed row is still there
    assert "Nothing to do: out has all of the input, 2,100 rows, 1 failed row" in ran.err
    event = last_event(ran)
    assert (event["event"], event["embedded"], event["known"]) == ("finished", 0, 2100)
    assert {path: path.stat().st_mtime_ns for path in Path("out").iterdir()} == before


@pytest.mark.parametrize(
    ("changed", "sent", "vanished"),
    [
        pytest.param([*TEXTS, "more", "and more"], 2, 0, id="appended"),
        pytest.param(["first", *TEXTS], 1, 0, id="put before"),
        pytest.param([*TEXTS[:1000], "other", *TEXTS[1001:]], 1, 1, id="one changed"),
        pytest.param(TEXTS[:1500], 0, 600, id="shorter"),
        pytest.param(TEXTS[700:], 0, 700, id="beginning gone"),
        pytest.param(TEXTS[::-1], 0, 0, id="reversed"),
    ],
)
def test_changed_input_sends_only_what_is_new(
    ellmental: Run, changed: list[str], sent: int, vanished: int
) -> None:
    """Texts that are still there keep their vectors, wherever they stand now; others are told."""
    write(TEXTS)
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    write(changed)
    ran = ellmental("embed", "a.txt", "-o", "out", "--json")
    assert ran.code == 0
    assert "out is complete, and its input has changed since." in ran.err
    finished = last_event(ran)
    assert (finished["embedded"], finished["vanished"]) == (sent, vanished)
    if vanished:
        assert f"{vanished} row" in ran.err
        assert "not in the input any more" in ran.err
    assert_right("out", changed)


@pytest.mark.parametrize("changed", [TEXTS[::-1], ["first", *TEXTS], TEXTS[:300], TEXTS[900:]])
def test_input_that_changes_while_a_job_is_stopped(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch, changed: list[str]
) -> None:
    """An unfinished dataset takes over what it has of the new input, in the new order."""
    write(TEXTS)
    stopped_after(ellmental, monkeypatch, 1000)
    write(changed)
    ran = ellmental("embed", "a.txt", "-o", "out", "--json")
    assert ran.code == 0
    assert last_event(ran)["embedded"] <= 1101
    assert_right("out", changed)


def test_update_that_is_stopped_keeps_the_old_dataset(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OUT stays complete while OUT.new is made of it; the next run goes on, and swaps them."""
    write(TEXTS)
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    changed = [*(f"new {number}" for number in range(1500)), *TEXTS]
    write(changed)
    ran = stopped_after(ellmental, monkeypatch, 700)
    assert "out is as it was." in ran.err
    assert_right("out", TEXTS)
    again = ellmental("embed", "a.txt", "-o", "out", "--json")
    assert again.code == 0
    assert last_event(again)["embedded"] <= 800
    assert_right("out", changed)
    assert not Path("out.new").exists()


@pytest.mark.parametrize(
    ("variables", "options", "said"),
    [
        ({"SCRIPTED_MODEL": "other"}, (), "model: 'words' there, 'other' now"),
        ({"SCRIPTED_WIDTH": "64"}, (), "dimensions (EMBEDDING_DIMENSIONS): 256 there, 64 now"),
        (
            {"EMBEDDING_DOCUMENT_INSTRUCTION": "doc: "},
            (),
            "document_instruction (EMBEDDING_DOCUMENT_INSTRUCTION): None there, 'doc: ' now",
        ),
        ({}, ("--split-tokens", "5"), "--split-tokens: None there, 5 now"),
        ({}, ("--store", "int8"), "--store: 'float32' there, 'int8' now"),
    ],
)
def test_other_settings_are_refused_with_the_difference(
    ellmental: Run,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    options: tuple[str, ...],
    said: str,
) -> None:
    """Neither a finished nor an unfinished dataset is gone on with by another generator."""
    write(TEXTS)
    stopped_after(ellmental, monkeypatch, 500)
    shutil.copytree("out", "unfinished")
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for out in ("out", "unfinished"):
        ran = ellmental("embed", "a.txt", "-o", out, *options)
        assert ran.code == 4
        assert said in ran.err
        assert "--overwrite" in ran.err
        assert "Traceback" not in ran.err
    assert ellmental("embed", "a.txt", "-o", "unfinished", "--overwrite", *options).code == 0


def test_other_sources_are_refused_and_further_ones_are_not(ellmental: Run) -> None:
    """A dataset of one file does not become that of another by accident; it may grow by one."""
    write(TEXTS)
    write(["from b"], "b.txt")
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    ran = ellmental("embed", "b.txt", "-o", "out")
    assert ran.code == 4
    assert "sources: a.txt there, not named now" in ran.err
    both = ellmental("embed", "a.txt", "b.txt", "-o", "out", "--json")
    assert (both.code, last_event(both)["embedded"]) == (0, 1)
    assert_right("out", [*TEXTS, "from b"])


def test_failed_rows_are_tried_again_when_asked(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--retry-failed sends these alone, and the sidecar tells what still fails."""
    texts = [*TEXTS[:700], "REFUSE one", *TEXTS[700:], "REFUSE two"]
    write(texts)
    assert ellmental("embed", "a.txt", "-o", "out").code == 1
    failed = [json.loads(line) for line in Path("out/_failed.jsonl").read_text().splitlines()]
    assert [(row["id"], row["line"]) for row in failed] == [
        ("a.txt:701", 701),
        ("a.txt:2102", 2102),
    ]
    monkeypatch.setenv("SCRIPTED_REFUSES", "REFUSE two")
    still = ellmental("embed", "a.txt", "-o", "out", "--json")
    assert last_event(still)["embedded"] == 0  # not unasked
    ran = ellmental("embed", "a.txt", "-o", "out", "--retry-failed", "--json")
    assert ran.code == 1
    assert "out is complete but for 2 failed rows: trying them again." in ran.err
    assert "has changed" not in ran.err
    assert "2 rows that had failed were tried again: 1 succeeded, 1 failed." in ran.err
    assert (last_event(ran)["embedded"], last_event(ran)["failed"]) == (1, 1)
    assert_right("out", texts[:-1])
    failed = [json.loads(line) for line in Path("out/_failed.jsonl").read_text().splitlines()]
    assert [row["line"] for row in failed] == [2102]
    monkeypatch.setenv("SCRIPTED_REFUSES", "nothing at all")
    ran = ellmental("embed", "a.txt", "-o", "out", "--retry-failed")
    assert ran.code == 0
    assert "out is complete but for 1 failed row: trying it again." in ran.err
    assert "1 row that had failed was tried again: 1 succeeded, 0 failed." in ran.err
    assert_right("out", texts)
    assert not Path("out/_failed.jsonl").exists()


def test_failed_rows_are_not_sent_again_by_a_job_that_goes_on(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed for good before the stop has failed after it, unsent."""
    texts = ["REFUSE me", *TEXTS]
    write(texts)
    stopped_after(ellmental, monkeypatch, 800)
    monkeypatch.setenv("SCRIPTED_REFUSES", "nothing at all")
    ran = ellmental("embed", "a.txt", "-o", "out", "--json")
    assert (ran.code, last_event(ran)["failed"]) == (1, 1)
    assert_right("out", TEXTS)


def test_rows_are_folded_by_their_texts(ellmental: Run) -> None:
    """A text that moved to another file and line keeps its vector; its row says where it is now."""
    write(TEXTS)
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    write(["heading"], "a.txt")
    write(TEXTS, "b.txt")
    ran = ellmental("embed", "a.txt", "b.txt", "-o", "out", "--json")
    assert last_event(ran)["embedded"] == 1
    assert [(row["source"], row["line"]) for row in rows("out")[:2]] == [("a.txt", 1), ("b.txt", 1)]


def test_second_process_refuses_and_a_killed_one_does_not_hold() -> None:
    """Who writes OUT is told by process and host; the lock of a killed process is taken over."""
    write(TEXTS)
    command = [sys.executable, "-m", "scripted_main", "embed", "a.txt", "-o", "out"]
    slow = {**os.environ, "SCRIPTED_DELAY": "5"}
    first = subprocess.Popen(command, env=slow, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not Path("out/_journal").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert second.returncode == 4
        assert f"Process {first.pid} on {socket.gethostname()}" in second.stderr
        assert "is writing out" in second.stderr
    finally:
        first.kill()
        first.wait(60)
    assert Path(".out.lock").exists()
    subprocess.run(command, capture_output=True, check=True)
    assert_right("out", TEXTS)


def test_job_killed_between_the_renames_of_a_swap(ellmental: Run) -> None:
    """.OUT.old and OUT.new without OUT: the next job puts the new one in place."""
    write(TEXTS)
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    shutil.copytree("out", "out.new")
    manifest = json.loads(Path("out.new/_manifest.json").read_text())
    Path("out.new/_manifest.json").write_text(json.dumps({**manifest, "replaces": "update"}))
    Path("out").rename(".out.old")
    ran = ellmental("embed", "a.txt", "-o", "out")
    assert (ran.code, "Nothing to do" in ran.err) == (0, True)
    assert sorted(path.name for path in Path().iterdir()) == ["a.txt", "out"]
    assert_right("out", TEXTS)


def test_job_killed_between_its_last_word_and_its_end(ellmental: Run) -> None:
    """A journal beside a complete dataset is cleared away."""
    write(TEXTS)
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    Path("out/_journal").mkdir()
    Path("out/_journal/vectors-00001.arrow").write_bytes(b"")
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    assert_right("out", TEXTS)


def test_parts_of_an_older_version_can_be_gone_on_with(ellmental: Run) -> None:
    """A dataset without failed keys, journal or stored kind is one that may grow."""
    write(TEXTS)
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    manifest = json.loads(Path("out/_manifest.json").read_text())
    del manifest["settings"]["store"], manifest["replaces"]
    manifest["format"] = 1
    Path("out/_manifest.json").write_text(json.dumps(manifest))
    write([*TEXTS, "more"])
    ran = ellmental("embed", "a.txt", "-o", "out", "--json")
    assert last_event(ran)["embedded"] == 1
    assert_right("out", [*TEXTS, "more"])
