"""Streams, cancelled calls and interrupted programs against a service that misbehaves."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from server_faults import make_fault
from server_vectors import vectors_of
from server_witness import SMALL, assert_right, leaked, load, texts_of

from ellmental_embeddings import EmbeddingFailed, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from openai_server import OpenAIServer

    from ellmental_embeddings import Embeddings


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that the stand-in's thread does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.mark.usefixtures("quick_retries")
def test_a_stream_over_passing_faults(server: OpenAIServer) -> None:
    """Two thousand texts in order, every fifth request broken: none lost, moved or paid twice."""
    names = ["cut_json", "server_error", "reordered", "reset", "nan", "doubled", "cut_body"]
    count = 0

    def rule(_: Sequence[str]) -> Any:
        nonlocal count
        count += 1
        return make_fault(names[count // 5 % len(names)]) if count % 5 == 0 else None

    server.script.rule(rule)
    texts = texts_of(2000)
    with load(server, BATCH_SIZE=20, EMBEDDING_DIMENSIONS=8) as generator:
        parts = list(generator.stream(iter(texts)))
    assert len(parts) > 1
    vectors = np.concatenate([part.vectors for part in parts])
    assert np.allclose(vectors, vectors_of(SMALL, texts, 8), atol=1e-6)
    assert not server.bill.paid_twice()
    assert not server.bill.never_paid(texts)
    assert len(server.bill.requests) <= 160


def test_a_stream_reads_and_sends_no_more_than_it_hands_out(server: OpenAIServer) -> None:
    """Whoever stops reading stops paying: far fewer than the million texts are sent."""
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        for read in range(1_000_000):
            yield f"text {read}"

    with load(server, BATCH_SIZE=5, EMBEDDING_DIMENSIONS=4) as generator:
        stream = iter(generator.stream(endless()))
        first = next(stream)
        del stream
    assert len(first) == 40
    assert read < 1000
    assert server.bill.paid.total() < 1000


def test_a_stream_tells_failed_texts_and_goes_on(server: OpenAIServer) -> None:
    """With ``keep`` one bad text is a NaN row among thousands."""
    server.script.when("poison", "invalid_input")
    texts = texts_of(500)
    texts[333] = "poison"
    with load(server, BATCH_SIZE=10, EMBEDDING_DIMENSIONS=4) as generator:
        vectors = np.concatenate(
            [part.vectors for part in generator.stream(texts, on_error="keep")]
        )
    assert np.flatnonzero(np.isnan(vectors).any(axis=1)).tolist() == [333]
    assert not server.bill.paid_twice()


def test_a_cancelled_call_leaves_nothing_running(server: OpenAIServer) -> None:
    """Cancelled while one request hangs: the others' vectors are kept, the connection ends."""
    server.script.when("number 7:", "hang")
    texts = texts_of(40)

    async def cancelled() -> Embeddings:
        async with load(server, BATCH_SIZE=5, EMBEDDING_DIMENSIONS=4) as generator:
            task = asyncio.create_task(generator.aembed(texts))
            await asyncio.to_thread(until, lambda: len(server.bill.requests) == 8)
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            until(lambda: server.in_flight == 0)
            kept: Embeddings = caught.value.result  # type: ignore[attr-defined]
            return kept

    kept = asyncio.run(cancelled())
    assert_right(kept, texts, dimensions=4, failed=range(5, 10))


def test_a_generator_works_on_after_a_failed_call(server: OpenAIServer) -> None:
    """What went wrong is not held against later calls."""
    with load(server, EMBEDDING_DEADLINE=0.2, EMBEDDING_DIMENSIONS=4) as generator:
        server.script.always("overloaded")
        with pytest.raises(Unavailable):
            generator.embed(["a"])
        server.script.forget()
        assert_right(generator.embed(["a"]), ["a"], dimensions=4)
        server.script.when("poison", "invalid_input")
        with pytest.raises(EmbeddingFailed):
            generator.embed(["poison"])
        assert_right(generator.embed(texts_of(60)), texts_of(60), dimensions=4)


# A program that was started in the background of a script is born deaf to Ctrl-C.
ELLMENTAL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from ellmental_embeddings.cli.main import main
main(["vector", "a"])
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_while_the_service_hangs(server: OpenAIServer) -> None:
    """The program ends at once with 130, without a traceback, and lets go of the connection."""
    server.script.always("hang")
    with subprocess.Popen(
        [sys.executable, "-c", ELLMENTAL],
        env={
            **os.environ,
            "EMBEDDING_GENERATOR": "OPENAI",
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": server.key,
            "OPENAI_MODEL": SMALL,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            until(lambda: bool(server.bill.requests), 30)
            time.sleep(0.2)
            program.send_signal(signal.SIGINT)
            out, errors = program.communicate(timeout=5)
        finally:
            program.kill()
    assert program.returncode == 130
    assert not out
    assert "Traceback" not in errors
    assert not leaked(server.key, errors)
    until(lambda: server.in_flight == 0)
