"""A second request for a straggler: which one counts, what it may cost, and that none is left."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scripted import ScriptedBackend, scripted_generator, vectors_of

from ellmental_embeddings import (
    AuthenticationFailed,
    Backend,
    BackendSettings,
    EmbeddingGenerator,
    Reply,
    Unavailable,
    Variables,
)
from ellmental_embeddings.settings import build_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ellmental_embeddings import Batch

    Service = Callable[[ScriptedBackend, Batch, int], Awaitable[Reply | None]]

WARM = [f"quick {number:02}" for number in range(40)]
SLOW = "slow 001"
"""Of the same size as the quick ones: latencies are compared among requests of one size."""


class Watched:
    """A service that answers at once, but for one text, whose n-th sending is given to a test."""

    def __init__(self, slow: Service) -> None:
        self._slow = slow
        self.sent = 0
        self.cancelled = 0

    async def __call__(self, backend: ScriptedBackend, batch: Batch) -> Reply | None:
        """As ``always`` of a scripted backend."""
        if SLOW not in batch.texts:
            await asyncio.sleep(0.001)
            return None
        self.sent += 1
        try:
            return await self._slow(backend, batch, self.sent)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def hangs_once(_: ScriptedBackend, __: Batch, sending: int) -> None:
    """The first sending is never answered."""
    await asyncio.sleep(3600 if sending == 1 else 0.001)


def hedged(slow: Service, share: float = 0.1, **how: Any) -> tuple[Any, Watched, ScriptedBackend]:
    """The straggler's result after 40 quick requests; the service; its backend."""
    service = Watched(slow)
    generator, backend = scripted_generator(
        always=service,
        settings={"BATCH_SIZE": 1, "EMBEDDING_HEDGE": share, "EMBEDDING_TIMEOUT": 20, **how},
    )
    with generator:
        generator.embed(WARM)
        result = generator.embed([SLOW])
    return result, service, backend


def test_a_straggler_is_overtaken_by_its_twin() -> None:
    """The second answer counts, the first request is cancelled, and both are counted."""
    result, service, backend = hedged(hangs_once)
    assert np.array_equal(result.vectors, vectors_of([SLOW]))
    assert (result.usage.requests, result.usage.hedged, result.usage.retries) == (2, 1, 0)
    assert (service.sent, service.cancelled, backend.in_flight) == (2, 1, 0)


def test_it_is_off_unless_asked_for() -> None:
    """Nothing is sent twice by default: the time-out ends the wait, and it is sent again."""
    result, service, _ = hedged(hangs_once, share=0, EMBEDDING_TIMEOUT=0.3)
    assert (result.usage.requests, result.usage.hedged, result.usage.retries) == (2, 0, 1)
    assert service.cancelled == 1


def test_the_first_answer_counts_where_it_comes_first() -> None:
    """The twin is cancelled then."""
    second = asyncio.Event()

    async def late(_: ScriptedBackend, __: Batch, sending: int) -> None:
        if sending > 1:
            second.set()
            await asyncio.sleep(3600)
        await second.wait()

    result, service, backend = hedged(late)
    assert np.array_equal(result.vectors, vectors_of([SLOW]))
    assert (result.usage.hedged, service.cancelled, backend.in_flight) == (1, 1, 0)


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("how", ["503", "short", "nan"])
def test_one_that_fails_leaves_it_to_the_other(failing: int, how: str) -> None:
    """A 503 or a broken answer of either is no failure while the other may still answer."""
    second = asyncio.Event()

    async def half(_: ScriptedBackend, batch: Batch, sending: int) -> Reply | None:
        if sending > 1:
            second.set()
        await second.wait()
        if sending == failing:
            if how == "503":
                raise Unavailable("503")
            vectors = vectors_of(batch.texts)
            return Reply(vectors[:0] if how == "short" else vectors * np.nan)
        await asyncio.sleep(0.1)
        return None

    result, service, _ = hedged(half)
    assert np.array_equal(result.vectors, vectors_of([SLOW]))
    assert (result.usage.requests, result.usage.retries, service.sent) == (2, 0, 2)


def test_where_both_fail_the_batch_is_tried_again() -> None:
    """As if there had been one."""
    second = asyncio.Event()

    async def both(_: ScriptedBackend, __: Batch, sending: int) -> None:
        if sending > 1:
            second.set()
        if sending <= 2:
            await second.wait()
            raise Unavailable("503", retry_after=0.0)

    result, service, _ = hedged(both)
    assert np.array_equal(result.vectors, vectors_of([SLOW]))
    assert (result.usage.retries, service.sent) == (1, 3)


def test_what_waiting_does_not_mend_ends_both() -> None:
    """A refused key is not made good by the other request."""

    async def refused(_: ScriptedBackend, __: Batch, sending: int) -> None:
        if sending == 2:
            raise AuthenticationFailed("no")
        await asyncio.sleep(3600)

    with pytest.raises(AuthenticationFailed):
        hedged(refused)


def test_no_more_than_their_share_is_sent_twice() -> None:
    """Ten straggle after forty quick ones; one in twenty may be doubled, and no more are."""
    slow = [f"slow {number:03}" for number in range(10)]
    first: set[str] = set()

    async def service(_: ScriptedBackend, batch: Batch) -> None:
        text = batch.texts[0]
        straggles = text in slow and text not in first
        first.add(text)
        await asyncio.sleep(0.3 if straggles else 0.001)

    generator, backend = scripted_generator(
        always=service,
        settings={"BATCH_SIZE": 1, "EMBEDDING_HEDGE": 0.05, "EMBEDDING_MAX_CONCURRENCY": 32},
    )
    with generator:
        twice = generator.embed(WARM).usage.hedged
        result = generator.embed(slow)
    assert np.array_equal(result.vectors, vectors_of(slow))
    twice += result.usage.hedged
    assert 1 <= twice <= 2
    assert len(backend.batches) == 50 + twice


def test_twins_never_write_to_the_same_rows() -> None:
    """A backend that decodes into ``out`` bit by bit cannot leave half of its numbers there."""

    async def writes(_: ScriptedBackend, batch: Batch, sending: int) -> Reply:
        assert batch.out is None
        if sending == 1:
            await asyncio.sleep(3600)
        return Reply(vectors_of(batch.texts))

    result, _, _ = hedged(writes)
    assert np.array_equal(result.vectors, vectors_of([SLOW]))


def test_a_call_that_is_cancelled_leaves_neither() -> None:
    """Both are cancelled with it."""
    both = threading.Event()

    async def never(_: ScriptedBackend, __: Batch, sending: int) -> None:
        if sending > 1:
            both.set()
        await asyncio.sleep(3600)

    service = Watched(never)
    generator, backend = scripted_generator(
        always=service, settings={"BATCH_SIZE": 1, "EMBEDDING_HEDGE": 0.1}
    )

    async def cancel_when_both_run() -> None:
        await generator.aembed(WARM)
        task = asyncio.create_task(generator.aembed([SLOW]))
        assert await asyncio.to_thread(both.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with generator:
        asyncio.run(asyncio.wait_for(cancel_when_both_run(), 20))
        assert (service.cancelled, backend.in_flight) == (2, 0)
        assert generator.pace.in_flight == 0


class Threaded(Backend):
    """A plain ``def``, slow for one text."""

    def __init__(self, settings: BackendSettings) -> None:
        super().__init__(settings)
        self.sent: list[str] = []

    def embed(self, batch: Batch) -> Reply:
        """Right vectors, after 0.2 s for the slow text."""
        self.sent += batch.texts
        time.sleep(0.2 if SLOW in batch.texts else 0)
        return Reply(vectors_of(batch.texts))


def test_a_thread_has_no_twin() -> None:
    """It could not be cancelled, and would be paid for."""
    settings = build_settings(
        BackendSettings, Variables({"BATCH_SIZE": 1, "EMBEDDING_HEDGE": 0.5}), needed_by="T"
    )
    backend = Threaded(settings)
    with EmbeddingGenerator("THREADED", "tests", settings, lambda: backend) as generator:
        generator.embed(WARM)
        assert generator.embed([SLOW]).usage.hedged == 0
    assert backend.sent.count(SLOW) == 1
