"""A real process, the real OPENAI plugin, a bill: what a kill costs, and what a signal must not."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from kill_campaign import Campaign, Job
from server_control import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLS = 8


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    """The stand-in as a process, which takes a twentieth of a second to answer."""
    with ServerProcess("--latency", "0.05") as running:
        yield running


@pytest.mark.slow
def test_kills_at_random_moments(server: ServerProcess) -> None:
    """No row is lost, doubled or moved; each kill costs the texts in flight at most.

    The same with 200 kills: python3 tests/jobs/kill.py --kills 200
    """
    campaign = Campaign(KILLS, seed=7, texts=2000)
    campaign.run(server)
    assert len(campaign.lost) == KILLS
    assert any(campaign.lost), "no kill met a request in flight: the test has shown nothing"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_cost_nothing(
    server: ServerProcess, tmp_path: Path, number: signal.Signals
) -> None:
    """What is in flight is awaited and kept: not one text is billed twice."""
    job = Job(server, tmp_path, [f"text {number}" for number in range(2000)])
    process = job.start("--json")
    assert process.stdout is not None
    while '"embedded": 0' in (line := process.stdout.readline()) or '"started"' in line:
        assert line
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "The same command goes on from there." in err
    billed = job.paid().total()
    assert 0 < billed < 2000
    assert len(job.on_disk()) == billed
    process = job.start()
    process.communicate(timeout=60)
    assert process.returncode == 0
    job.check()
    assert job.paid().total() == 2000
