"""Budgets: the strict minute, what a service says, and several processes over one file."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import scripted_generator

from ellmental_embeddings import ConfigurationError
from ellmental_embeddings.engine.ledger import MINUTE, Ledger, Most
from ellmental_embeddings.engine.told import Told
from ellmental_embeddings.shared_ledger import SharedLedger
from ellmental_embeddings.shared_limits import allowance_of

if TYPE_CHECKING:
    from pathlib import Path


@given(
    st.integers(1, 50),
    st.integers(1, 500),
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 800)), min_size=1, max_size=60),
)
def test_a_minute_is_never_exceeded(rpm: int, tpm: int, wishes: list[tuple[float, int]]) -> None:
    """Over any sixty seconds no more is spent than allowed, and nobody waits much over one."""
    ledger, now, spent = Ledger(), 0.0, []
    most = Most(rpm, tpm)
    for pause, wished in wishes:
        now += pause
        tokens = min(wished, tpm)
        wait = ledger.wait(tokens, most, now)
        assert 0 <= wait <= MINUTE + 1.5
        now += wait
        assert ledger.wait(tokens, most, now) <= 1e-6
        ledger.spend(tokens, now)
        spent.append((now, tokens))
    for end, _ in spent:
        window = [tokens for when, tokens in spent if end - MINUTE < when <= end]
        assert len(window) <= rpm
        assert sum(window) <= tpm


def test_a_minute_lets_go_at_once_what_it_can() -> None:
    """Waiting is only for what is over the budget; more than all of it waits for all of it."""
    ledger, most = Ledger(), Most(tokens=10)
    assert ledger.wait(10, most, 0.0) == 0
    ledger.spend(4, 0.0)
    ledger.spend(6, 30.0)
    assert 30 < ledger.wait(4, most, 30.0) < 32
    assert 60 < ledger.wait(5, most, 30.0) < 62
    assert ledger.wait(1000, most, 95.0) == 0
    late = Ledger()
    quarter = late.spend(10, 0.24)
    assert late.wait(10, most, 0.24) > MINUTE + 1, "ways to the service may differ by a second"
    late.spend(10, 64.0)
    late.correct(quarter, -10)  # its quarter second is forgotten, and stands for another now
    assert late.wait(1, most, 64.0) > 60


def test_a_clock_that_was_set_back_blocks_nothing() -> None:
    """Entries from what is now the future are not believed."""
    ledger = Ledger()
    ledger.spend(10, 5000.0)
    assert ledger.wait(10, Most(tokens=10), 1000.0) == 0


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(0, 3)), max_size=200), st.integers(5, 60))
def test_what_is_left_is_never_believed_to_be_more_than_a_sliding_window_has(
    sent: list[tuple[int, float]], limit: int
) -> None:
    """The strictest service of all, answering at once: nothing that is let go comes too early."""
    told, now, window = Told(), 0.0, 20.0
    log: list[tuple[float, int]] = []

    def left() -> int:
        return limit - sum(amount for when, amount in log if when > now - window)

    for amount, pause in sent:
        now += pause
        now += told.wait(amount, now) if log else 0.0
        assert amount <= left()
        mark = told.spend(amount, now)
        log.append((now, amount))
        told.settle(mark, amount, now)
        told.hear(mark, limit, left(), window, now)
        assert 0 <= (told.left or 0) <= limit


def test_a_bucket_is_recognised_and_nothing_else_is() -> None:
    """Where reset / used stays the same it fills up evenly; where reset stays, it does not."""
    for reset_of, rate in (
        (lambda used: used * 0.6, pytest.approx(100 / 60, rel=0.03)),
        (lambda _: 60.0, None),
        (lambda used: 60.0 - used, None),
    ):
        told = Told()
        for used in range(1, 30):
            now = used / 10
            mark = told.spend(1, now)
            told.settle(mark, 1, now)
            told.hear(mark, 100, 100 - used, reset_of(used), now)
        assert told.rate == rate


def test_what_others_use_is_noticed_and_comes_back() -> None:
    """Ten of a hundred are left, though one was sent from here; after a window they are back."""
    told = Told()
    mark = told.spend(1, 0.0)
    told.settle(mark, 1, 0.1)
    told.hear(mark, 100, 10, 60.0, 0.1)
    assert told.left == 10
    assert told.wait(11, 0.1) > 59
    assert told.wait(100, 62.0) == 0


def test_limits_that_change_hold_at_once() -> None:
    """From 100 to 10 and back: what an answer says is what is left."""
    told, now = Told(), 0.0
    for limit, left in ((100, 99), (10, 8), (1000, 990)):
        now += 1
        mark = told.spend(1, now)
        told.settle(mark, 1, now)
        told.hear(mark, limit, left, 60.0, now)
        assert told.left == left


def test_a_limit_that_rises_forgets_nothing_in_flight() -> None:
    """More is allowed, and nothing more is left yet: the four under way still count."""
    told = Told()
    mark = told.spend(86, 0.0)
    told.settle(mark, 86, 0.1)
    told.hear(mark, 100, 14, 60.0, 0.1)
    marks = [told.spend(1, 0.2) for _ in range(5)]
    told.settle(marks[0], 1, 0.3)
    told.hear(marks[0], 200, 13, 59.8, 0.3)
    assert told.left == 9


def test_a_window_is_believed_after_three_and_doubled_where_it_was_too_short() -> None:
    """Ten seconds are told: for half a minute it may be more; and more it is after a refusal."""
    told = Told()
    for second in range(60):
        assert told.window == (60.0 if second <= 30 else 10.0)
        mark = told.spend(1, second)
        told.settle(mark, 1, second)
        told.hear(mark, 100, 90, 10.0, second)
    refused = told.spend(1, 60.0)
    told.settle(refused, 1, 60.0)
    told.hear(refused, 100, 0, 10.0, 60.0, refused=True)
    assert 18 < told.wait(100, 60.0) < 22


def test_without_a_reset_the_last_word_is_believed_for_a_minute() -> None:
    """Azure says what is left, and neither the limit nor when it is back."""
    told = Told()
    mark = told.spend(1, 0.0)
    told.settle(mark, 1, 0.0)
    told.hear(mark, None, 0, None, 0.0)
    assert 59 < told.wait(1, 0.0) < 62
    assert told.wait(1, 62.0) == 0


_CHILD = """
import sys, time
from pathlib import Path
from ellmental_embeddings.engine.allowance import Ticket
from ellmental_embeddings.shared_limits import allowance_of
from ellmental_embeddings.engine.ledger import Most
allowance = allowance_of("service", Path(sys.argv[1]))
taken = 0
for _ in range(400):
    got = allowance.take(3, Most(requests=100, tokens=10_000), time.monotonic())
    taken += isinstance(got, Ticket)
    if isinstance(got, float) and got > 1:
        break
print(taken)
"""


def test_processes_share_one_budget(tmp_path: Path) -> None:
    """Three processes at once, each of which could send all: together they send all, once."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    taken = [int(child.communicate(timeout=60)[0]) for child in children]
    assert sum(taken) == 100


_HOLDER = """
import sys, time
from pathlib import Path
from ellmental_embeddings.shared_ledger import SharedLedger
ledger = SharedLedger(Path(sys.argv[1]))
with ledger.held(0) as now:
    ledger.spend(7, now)
with ledger.held(0) as now:
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_holder_that_is_killed_leaves_no_lock_and_what_it_spent(tmp_path: Path) -> None:
    """While it lives others have to wait; once it is killed they go on, and count what it sent."""
    path = tmp_path / "service.limits"
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    ledger = SharedLedger(path)
    with ledger.held(0) as now:
        assert now is None
    child.kill()
    child.communicate(timeout=10)
    with ledger.held(0) as now:
        assert now is not None
        assert ledger.wait(4, Most(tokens=10), now) > 50
        assert ledger.wait(3, Most(tokens=10), now) == 0


@pytest.mark.parametrize("content", [b"", b"short", b"something else" * 1000])
def test_a_file_that_is_something_else_is_made_anew(tmp_path: Path, content: bytes) -> None:
    """Cut off, empty or foreign: no error, and an empty minute."""
    path = tmp_path / "service.limits"
    path.write_bytes(content)
    ledger = SharedLedger(path)
    with ledger.held(0) as now:
        assert now is not None
        assert ledger.wait(10, Most(tokens=10), now) == 0
        ledger.spend(10, now)
    with SharedLedger(path).held(0) as now:
        assert now is not None
        assert ledger.wait(10, Most(tokens=10), now) > 50


def test_a_pause_is_shared_and_a_stale_one_is_not(tmp_path: Path) -> None:
    """All wait where one was told to; a pause from before the clock was set back counts not."""
    path, clock = tmp_path / "service.limits", [1000.0]
    one, other = (SharedLedger(path, clock=lambda: clock[0]) for _ in range(2))
    with one.held(0) as now:
        assert now == 1000.0
        one.not_before = now + 30
    with other.held(0):
        assert other.not_before == 1030.0
    clock[0] = 1030.0 - 2 * 3600
    with other.held(0):
        assert other.not_before < 0


def test_a_folder_that_cannot_be_used_is_named_with_its_variable(tmp_path: Path) -> None:
    """Configuration, not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"EMBEDDING_SHARED_LIMITS=.*file.*folder"):
        allowance_of("key", tmp_path / "file")


def test_a_folder_that_goes_away_meanwhile_is_made_anew_or_named(tmp_path: Path) -> None:
    """Temporary folders are cleared up while programs run: that costs no vector."""
    folder = tmp_path / "limits"
    settings = {"EMBEDDING_SHARED_LIMITS": folder, "EMBEDDING_RPM": 1000}
    generator, _ = scripted_generator(settings=settings)
    with generator:
        generator.embed(["a"])
        shutil.rmtree(folder)
        assert not generator.embed(["b"]).failed
        shutil.rmtree(folder)
        folder.write_text("in its place")
        with pytest.raises(ConfigurationError, match=r"EMBEDDING_SHARED_LIMITS=.*folder"):
            generator.embed(["c"])
        assert generator.pace.in_flight == 0


def test_the_file_holds_no_key_and_is_its_owner_s(tmp_path: Path) -> None:
    """Neither its name nor its content shows what shares it."""
    allowance_of("sk-secret", tmp_path)
    (path,) = tmp_path.iterdir()
    assert "secret" not in path.name
    assert b"secret" not in path.read_bytes()
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o077 == 0
    assert time.time() - path.stat().st_mtime < 60
