"""Ctrl-C at random moments of the command: `python3 tests/benchmarks/cancelling.py` tries more."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import pytest
from interrupts import interrupt
from openai_server import OpenAIServer

PROCESSES = 3


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


@pytest.mark.parametrize(
    "body",
    [
        "stream = generator.stream(texts)\nnext(stream)",
        "threading.Thread(target=embed, daemon=True).start()",
    ],
    ids=["stream", "thread"],
)
def test_a_program_that_does_not_close_ends_quietly(body: str) -> None:
    """The SDK's connections and tasks are given back at the end: nothing is printed."""
    with OpenAIServer(latency=0.02) as server:
        ran = subprocess.run(
            [
                sys.executable,
                "-W",
                "always::ResourceWarning",
                "-c",
                f"{_LOAD}\n{body}\ntime.sleep(0.3)",
            ],
            env={**os.environ, "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": server.key},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


_LOAD = """
import threading, time
from ellmental_embeddings import EmbeddingError, load_generator
settings = {"OPENAI_MODEL": "text-embedding-3-small", "EMBEDDING_DIMENSIONS": 8, "BATCH_SIZE": 5}
generator = load_generator("OPENAI", EMBEDDING_MAX_CONCURRENCY=4, **settings)
texts = [f"text {number}" for number in range(500)]
def embed():
    try:
        generator.embed(texts)
    except EmbeddingError:  # the thread is told of the end, where it still gets a turn
        pass
"""
