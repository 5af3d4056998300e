"""Ctrl-C at random moments of the command: `python3 tests/benchmarks/cancelling.py` tries more."""

from __future__ import annotations

import os
import random
import time

import pytest
from interrupts import interrupt
from openai_server import OpenAIServer

PROCESSES = 5


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_at_any_moment() -> None:
    """One word on stderr, no warning, whole lines on stdout, and no connection left open."""
    with OpenAIServer(latency=0.01) as server:
        undisturbed = interrupt(server, None)
        assert undisturbed.clean, undisturbed
        for step in range(PROCESSES):
            moment = (step + random.random()) / PROCESSES * undisturbed.seconds
            found = interrupt(server, moment)
            assert found.clean, (moment, found)
            until = time.monotonic() + 10
            while server.in_flight:
                assert time.monotonic() < until
                time.sleep(0.01)
