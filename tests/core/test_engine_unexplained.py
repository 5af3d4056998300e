"""Failures without a reason, and requests that wait in a service's own queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scripted import ScriptedBackend, scripted_generator, vectors_of

from ellmental_embeddings import BadReply, Batch, TextRejected, Unavailable

if TYPE_CHECKING:
    from scripted import Fault

    from ellmental_embeddings import Reply

TEXTS = [f"text {number}" for number in range(50)]


def _fails(*bad: str) -> Fault:
    """A service that fails a batch with any of these texts, and does not say why."""

    def fault(backend: ScriptedBackend, batch: Batch) -> None:
        if set(bad) & set(batch.texts):
            raise TextRejected("it failed", unexplained=True)

    return fault


@pytest.mark.parametrize(("concurrency", "most"), [(1, 8), (2, 9), (64, 15)])
def test_a_service_that_fails_everything_unexplained_costs_a_few_requests(
    concurrency: int, most: int
) -> None:
    """A batch, its halves and its quarters fail: beside what is on its way nothing more is sent."""
    generator, backend = scripted_generator(
        always=_fails(*TEXTS), settings={"EMBEDDING_MAX_CONCURRENCY": concurrency}
    )
    with generator, pytest.raises(BadReply, match=r"7 requests in a row.*it failed.*BATCH_SIZE=1"):
        generator.embed(TEXTS)
    assert len(backend.batches) <= most
    assert [len(batch.texts) for batch in backend.batches[:3]] == [50, 25, 25]


@pytest.mark.parametrize("bad", [(0,), (24,), (49,), (3, 7), (30, 49), (0, 49), (1, 24, 25)])
def test_texts_that_fail_unexplained_are_found(bad: tuple[int, ...]) -> None:
    """From the first call on, texts that fail are found by halving, and the others kept."""
    generator, backend = scripted_generator(always=_fails(*(TEXTS[place] for place in bad)))
    with generator:
        result = generator.embed(TEXTS, on_error="keep")
    assert tuple(sorted(result.failed)) == bad
    good = [place for place in range(50) if place not in bad]
    np.testing.assert_array_equal(result.vectors[good], vectors_of(TEXTS[place] for place in good))
    assert len(backend.batches) <= 1 + 2 * 6 * len(bad)


def test_bad_texts_in_every_quarter_are_found_once_the_service_has_answered() -> None:
    """A service that has answered is believed to work: a bad text in each quarter is found."""
    generator, _ = scripted_generator(always=_fails(*(TEXTS[place] for place in (0, 13, 26, 49))))
    with generator:
        generator.embed(["before"])
        assert sorted(generator.embed(TEXTS, on_error="keep").failed) == [0, 13, 26, 49]


def test_a_service_that_breaks_later_is_given_up() -> None:
    """Sixteen batches in a row without a word end the call, and keep what was finished."""
    generator, backend = scripted_generator(
        script=[lambda backend, batch: None], always=_fails(*TEXTS), settings={"BATCH_SIZE": 10}
    )
    texts = [f"good {number}" for number in range(10)] + TEXTS
    with generator, pytest.raises(BadReply, match=r"requests in a row.*it failed") as caught:
        generator.embed(texts)
    assert len(backend.batches) < 60
    assert caught.value.result is not None
    np.testing.assert_array_equal(caught.value.result.vectors[:10], vectors_of(texts[:10]))


def test_texts_one_by_one_fail_by_themselves() -> None:
    """With BATCH_SIZE=1, as the error says, each bad text fails alone and none ends the call."""
    generator, _ = scripted_generator(
        always=_fails(*TEXTS[10:40]), settings={"BATCH_SIZE": 1, "EMBEDDING_MAX_CONCURRENCY": 1}
    )
    with generator:
        assert sorted(generator.embed(TEXTS, on_error="keep").failed) == list(range(10, 40))


async def _slow(backend: ScriptedBackend, batch: Batch) -> Reply | None:
    await asyncio.sleep(0.4)
    return None


async def _stuck(backend: ScriptedBackend, batch: Batch) -> Reply | None:
    await asyncio.sleep(60)
    return None


def test_a_backend_that_keeps_its_own_timeout_is_not_cut_by_the_engine() -> None:
    """Where the backend knows when the service begins, EMBEDDING_TIMEOUT is its own affair."""
    generator, backend = scripted_generator(script=[_slow], settings={"EMBEDDING_TIMEOUT": 0.1})
    backend.keeps_timeout = True
    with generator:
        np.testing.assert_array_equal(generator.embed(["a"]).vectors, vectors_of(["a"]))
    assert len(backend.batches) == 1


def test_a_backend_that_keeps_its_own_timeout_ends_at_the_deadline() -> None:
    """A request that never ends is given up at EMBEDDING_DEADLINE, and not sent again."""
    generator, backend = scripted_generator(always=_stuck, settings={"EMBEDDING_DEADLINE": 1})
    backend.keeps_timeout = True
    with generator, pytest.raises(Unavailable, match=r"no answer in 1 s \(EMBEDDING_DEADLINE\)"):
        generator.embed(["a"])
    assert len(backend.batches) == 1
