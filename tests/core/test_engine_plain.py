"""Backends with a plain ``def`` that takes too long: it cannot be stopped, and loses nothing."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scripted import vectors_of

from ellmental_embeddings import (
    Backend,
    BackendSettings,
    EmbeddingGenerator,
    Limits,
    Reply,
    Unavailable,
    Variables,
)
from ellmental_embeddings.settings import build_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ellmental_embeddings import Batch

pytestmark = pytest.mark.usefixtures("quick_retries")

TEXTS = [f"text {number}" for number in range(12)]


class Plain(Backend):
    """Right vectors, each call as slow as a test says; counts what runs at once."""

    def __init__(
        self, settings: BackendSettings, slow: Callable[[int], float], most: int | None
    ) -> None:
        super().__init__(settings)
        self.limits = Limits(concurrency=most)
        self.slow = slow
        self.asked: list[tuple[str, ...]] = []
        self.now = self.most = 0
        self.lock = threading.Lock()

    def embed(self, batch: Batch) -> Reply:
        """Blocks, as an SDK without async does."""
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.asked.append(batch.texts)
            seconds = self.slow(len(self.asked))
        time.sleep(seconds)
        with self.lock:
            self.now -= 1
        if seconds == _FAILS:
            raise ConnectionError("lost")
        return Reply(vectors_of(batch.texts))


_FAILS = 0.123


def plain(
    slow: Callable[[int], float], most: int | None = None, **how: Any
) -> tuple[EmbeddingGenerator, Plain]:
    """A generator over such a backend."""
    settings = build_settings(BackendSettings, Variables(how), needed_by="PLAIN")
    backend = Plain(settings, slow, most)
    return EmbeddingGenerator("PLAIN", "tests", settings, lambda: backend), backend


def test_a_call_that_is_always_too_slow_succeeds_all_the_same() -> None:
    """Each try takes twice EMBEDDING_TIMEOUT: what the first makes late is taken, not made anew."""
    generator, backend = plain(lambda _: 0.2, EMBEDDING_TIMEOUT=0.1, EMBEDDING_DEADLINE=3)
    with generator:
        result = generator.embed(TEXTS)
    assert np.array_equal(result.vectors, vectors_of(TEXTS))
    assert len(backend.asked) <= 3


def test_an_answer_that_comes_between_two_tries_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there when the batch is sent again: nothing is sent."""
    from ellmental_embeddings.engine import retry

    monkeypatch.setattr(retry, "FIRST_WAIT", 0.2)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.2)
    generator, backend = plain(lambda _: 0.15, EMBEDDING_TIMEOUT=0.1)
    with generator:
        assert np.array_equal(generator.embed(TEXTS).vectors, vectors_of(TEXTS))
    assert len(backend.asked) == 1


def test_one_that_hangs_is_overtaken_by_its_repetition() -> None:
    """A late answer is not waited for where a new one comes."""
    generator, backend = plain(lambda call: 2.0 if call == 1 else 0.0, EMBEDDING_TIMEOUT=0.1)
    began = time.monotonic()
    with generator:
        assert np.array_equal(generator.embed(TEXTS).vectors, vectors_of(TEXTS))
    assert len(backend.asked) == 2
    assert time.monotonic() - began < 2.0


def test_a_late_failure_is_nobodys() -> None:
    """The one that timed out fails while its repetition works: that one counts."""
    generator, backend = plain(lambda call: _FAILS if call == 1 else 0.05, EMBEDDING_TIMEOUT=0.1)
    with generator:
        assert np.array_equal(generator.embed(TEXTS).vectors, vectors_of(TEXTS))
    assert len(backend.asked) == 2


@pytest.mark.parametrize("ended_by", ["a time-out", "a cancellation"])
def test_never_more_run_at_once_than_the_backend_bears(ended_by: str) -> None:
    """A model that bears one call at a time never sees two, also where nobody waits for one."""
    timed_out = ended_by == "a time-out"
    generator, backend = plain(
        lambda call: 0.3 if call == 1 else 0.0,
        most=1,
        BATCH_SIZE=4,
        EMBEDDING_TIMEOUT=0.1 if timed_out else 60,
    )

    async def cancelled() -> None:
        task = asyncio.create_task(generator.aembed(TEXTS))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with generator:
        if not timed_out:
            asyncio.run(cancelled())
        assert np.array_equal(generator.embed(TEXTS).vectors, vectors_of(TEXTS))
    assert backend.most == 1
    assert len(backend.asked) == (3 if timed_out else 4)


def test_a_hang_that_keeps_others_out_is_said() -> None:
    """Where one call is all that the backend bears, and it never ends, the error says so."""
    hanging = threading.Event()
    generator, backend = plain(lambda _: 0.0, most=1, EMBEDDING_TIMEOUT=0.1, EMBEDDING_DEADLINE=0.5)
    backend.slow = lambda _: 0.0 if hanging.is_set() else 1.2
    with generator, pytest.raises(Unavailable, match="still run in threads, which cannot be"):
        generator.embed(TEXTS)
    hanging.set()


def test_what_nobody_waits_for_warns_nobody() -> None:
    """A coroutine that comes late, a failure that comes late: both are let go without a word."""
    generator, backend = plain(lambda _: 0.0, EMBEDDING_TIMEOUT=0.05, EMBEDDING_DEADLINE=0.1)

    async def right(batch: Batch) -> Reply:
        return Reply(vectors_of(batch.texts))

    def late(batch: Batch) -> Any:
        backend.asked.append(batch.texts)
        time.sleep(0.15)
        if len(backend.asked) == 1:
            raise ConnectionError("lost")
        return right(batch)

    backend.embed = late  # type: ignore[method-assign]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with generator:
            for text in TEXTS[:2]:
                with pytest.raises(Unavailable):
                    generator.embed([text])
            time.sleep(0.15)
        gc.collect()
    assert not said
