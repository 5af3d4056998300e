"""``ellmental plan -o OUT``: what OUT has already is not sent, as ``embed`` then shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.jobs.conftest import Run

TEXTS = [f"text {number}" for number in range(700)]


def write(texts: list[str]) -> None:
    """A document a line."""
    Path("a.txt").write_text("".join(f"{text}\n" for text in texts))


def files() -> dict[Path, bytes]:
    """Everything in the working folder."""
    return {path: path.read_bytes() for path in Path().glob("**/*") if path.is_file()}


def stopped_after(ellmental: Run, monkeypatch: pytest.MonkeyPatch, texts: int) -> None:
    """Run a job whose service gives up after so many texts."""
    with monkeypatch.context() as patch:
        patch.setenv("SCRIPTED_STOP_AFTER", str(texts))
        patch.setenv("EMBEDDING_MAX_CONCURRENCY", "2")
        assert ellmental("embed", "a.txt", "-o", "out").code == 5


def planned_and_done(ellmental: Run, *options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``plan`` says with some options of ``embed``, and what ``embed`` then does.

    A plan touches no file, and is right about what is sent, what is not, and what vanished.
    """
    before = files()
    ran = ellmental("plan", "a.txt", "-o", "out", *options, "--json")
    assert ran.code == 0, ran.err
    assert files() == before
    plan: dict[str, Any] = json.loads(ran.out)
    events = ellmental("embed", "a.txt", "-o", "out", *options, "--json").out.splitlines()
    done: dict[str, Any] = json.loads(events[-1])
    assert done["event"] == "finished"
    assert plan["held"] == done["known"]
    assert plan["sent"] == done["embedded"] + done["failed"] - plan["failed_before"]
    assert plan["vanished"] == done["vanished"]
    assert plan["texts"] == done["rows"] + done["failed"]
    return plan, done


def test_nothing_is_there(ellmental: Run) -> None:
    """An OUT that does not exist yet has nothing, and is not made."""
    write(TEXTS)
    plan, _ = planned_and_done(ellmental)
    assert (plan["held"], plan["sent"], plan["failed_before"]) == (0, 700, 0)


def test_finished_job_has_nothing_to_send(ellmental: Run) -> None:
    """No request, no token, no price, no time; people are told so."""
    write(TEXTS)
    ellmental("embed", "a.txt", "-o", "out")
    said = ellmental("plan", "a.txt", "-o", "out").out
    assert "there       700 in out\nto be sent  0\n" in said
    assert "time        none: nothing is to be sent" in said
    plan, _ = planned_and_done(ellmental)
    assert (plan["requests"], plan["tokens"]) == (0, 0)


@pytest.mark.parametrize(
    ("changed", "sent"),
    [
        pytest.param(["first", *TEXTS[:300], "other", *TEXTS[310:]], 2, id="changed"),
        pytest.param(TEXTS[400:] + TEXTS[:400], 0, id="moved"),
    ],
)
def test_changed_input(ellmental: Run, changed: list[str], sent: int) -> None:
    """Only new texts are sent; rows that are gone are told."""
    write(TEXTS)
    ellmental("embed", "a.txt", "-o", "out")
    write(changed)
    plan, _ = planned_and_done(ellmental)
    assert plan["sent"] == sent


def test_half_finished_job(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts and journal count as there, also where a line was put before them since."""
    write(TEXTS)
    stopped_after(ellmental, monkeypatch, 300)
    said = ellmental("plan", "a.txt", "-o", "out").out
    assert "there       300 in out\nto be sent  400\nover-long   0\nrequests    8\n" in said
    write(["first", *TEXTS])
    plan, _ = planned_and_done(ellmental)
    assert plan["sent"] == 401


def test_half_finished_update(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """OUT and OUT.new count both; what OUT.new has taken over has not vanished from the input."""
    write(TEXTS)
    ellmental("embed", "a.txt", "-o", "out")
    more = [f"more {number}" for number in range(400)]
    write([*TEXTS[:600], *more])
    stopped_after(ellmental, monkeypatch, 100)
    assert Path("out.new").is_dir()
    plan, done = planned_and_done(ellmental)
    assert plan["sent"] == 300
    assert done["vanished"] == 100


def test_overwriting_starts_from_nothing(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A complete OUT does not count with --overwrite; an unfinished overwriting does."""
    write(TEXTS)
    ellmental("embed", "a.txt", "-o", "out")
    with monkeypatch.context() as patch:
        patch.setenv("SCRIPTED_STOP_AFTER", "200")
        patch.setenv("EMBEDDING_MAX_CONCURRENCY", "2")
        ellmental("embed", "a.txt", "-o", "out", "--overwrite")
    plan, _ = planned_and_done(ellmental, "--overwrite")
    assert plan["sent"] == 500
    plan, _ = planned_and_done(ellmental, "--overwrite")
    assert plan["sent"] == 700


def test_failed_texts(ellmental: Run) -> None:
    """They are sent again with --retry-failed alone, and people are told of the option."""
    write([*TEXTS[:50], "REFUSE this"])
    ellmental("embed", "a.txt", "-o", "out")
    said = ellmental("plan", "a.txt", "-o", "out").out
    assert "50 in out; 1 failed before (--retry-failed tries them again)" in said
    plan, _ = planned_and_done(ellmental)
    assert (plan["sent"], plan["failed_before"]) == (0, 1)
    plan, _ = planned_and_done(ellmental, "--retry-failed")
    assert (plan["sent"], plan["failed_before"]) == (1, 0)


@pytest.mark.parametrize("complete", [True, False])
def test_killed_between_two_names(ellmental: Run, *, complete: bool) -> None:
    """.OUT.old beside OUT.new, or alone: what stands for OUT is found, and left as it is."""
    write(TEXTS)
    ellmental("embed", "a.txt", "-o", "out")
    Path("out").rename(".out.old")
    if complete:
        write(["first", *TEXTS])
        ellmental("embed", "a.txt", "-o", "there")
        manifest = json.loads(Path("there/_manifest.json").read_text())
        Path("there/_manifest.json").write_text(json.dumps({**manifest, "replaces": "update"}))
        Path("there").rename("out.new")
    plan, _ = planned_and_done(ellmental)
    assert plan["sent"] == 0


def test_output_that_cannot_be_gone_on_with(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever embed would refuse is refused before a long reading: other settings, a stranger."""
    write(TEXTS)
    ellmental("embed", "a.txt", "-o", "out")
    ran = ellmental("plan", "a.txt", "-o", "out", "--store", "int8")
    assert (ran.code, ran.out) == (4, "")
    assert "--store: 'float32' there, 'int8' now" in ran.err
    monkeypatch.setenv("SCRIPTED_MODEL", "other")
    assert "model: 'words' there, 'other' now" in ellmental("plan", "a.txt", "-o", "out").err
    Path("mine").mkdir()
    Path("mine/photo.png").write_bytes(b"1")
    ran = ellmental("plan", "a.txt", "-o", "mine")
    assert "mine exists, and is no dataset" in ran.err
