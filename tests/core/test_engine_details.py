"""Small decisions of the engine that only show where something goes wrong twice, or late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scripted import ScriptedBackend, scripted_generator, vectors_of

from ellmental_embeddings import (
    BatchTooLarge,
    QuotaExhausted,
    RateLimited,
    TextRejected,
    Unavailable,
)
from ellmental_embeddings.engine import ledger
from ellmental_embeddings.engine.ask import Asker

if TYPE_CHECKING:
    from ellmental_embeddings import Batch, Reply

TEXTS = [f"text {number:02}" for number in range(12)]


def sizes(backend: ScriptedBackend) -> list[int]:
    """Texts of each request, in the order of sending."""
    return [len(batch.texts) for batch in backend.batches]


def test_no_request_is_larger_than_the_budget_of_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is could never be sent without exceeding EMBEDDING_TPM. A minute is short here."""
    monkeypatch.setattr(ledger, "MINUTE", 0.1)
    monkeypatch.setattr(ledger, "_MARGIN", 0.0)
    texts = [f"{text} of five words" for text in TEXTS]
    generator, backend = scripted_generator(settings={"EMBEDDING_TPM": 23})
    with generator:
        assert np.array_equal(generator.embed(texts).vectors, vectors_of(texts))
    words = [sum(len(text.split()) for text in batch.texts) for batch in backend.batches]
    assert sum(words) == 60
    assert max(words) <= 23


def test_what_fails_while_a_call_runs_out_is_left_undecided() -> None:
    """A job that is taken up again sends it again: the service's end is no fault of that text."""
    sent, ended = asyncio.Event(), asyncio.Event()

    async def service(backend: ScriptedBackend, batch: Batch) -> None:
        if batch.texts == (TEXTS[0],):  # answered after the next one was sent
            await sent.wait()
        elif batch.texts == (TEXTS[1],):
            sent.set()
            await ended.wait()
            await asyncio.sleep(0.05)  # the quota's refusal is dealt with meanwhile
            raise RateLimited("daily limit reached", retry_after=3600)
        else:
            ended.set()
            raise QuotaExhausted("used up")

    handed_out: list[int] = []
    generator, backend = scripted_generator(
        always=service, settings={"BATCH_SIZE": 1, "EMBEDDING_MAX_CONCURRENCY": 2}
    )
    with generator, pytest.raises(QuotaExhausted):
        handed_out.extend(
            position
            for positions, _ in generator.as_completed(TEXTS[:3])
            for position in positions.tolist()
        )
    assert len(backend.batches) == 3
    assert handed_out == [0]


def test_a_repetition_has_what_is_left_of_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch's requests share one EMBEDDING_DEADLINE; not each has all of it."""
    given: list[float] = []
    ask = Asker.ask

    async def noted(self: Asker, batch: Batch, *, within: float) -> Reply:
        given.append(within)
        return await ask(self, batch, within=within)

    async def late(backend: ScriptedBackend, batch: Batch) -> None:
        await asyncio.sleep(0.1)
        raise Unavailable("503", retry_after=0.0)

    monkeypatch.setattr(Asker, "ask", noted)
    generator, _ = scripted_generator(
        script=[late], settings={"EMBEDDING_DEADLINE": 30, "EMBEDDING_TIMEOUT": 60}
    )
    with generator:
        generator.embed(["a"])
    first, second = given
    assert first == pytest.approx(30, abs=0.01)
    assert 1 < second <= 30 - 0.1


def test_before_the_first_success_others_go_before_the_halves() -> None:
    """Whether the service or a text is to blame is seen sooner so."""

    def refuses_first(backend: ScriptedBackend, batch: Batch) -> None:
        if TEXTS[0] in batch.texts:
            raise TextRejected("it is invalid")

    generator, backend = scripted_generator(
        always=refuses_first, settings={"BATCH_SIZE": 4, "EMBEDDING_MAX_CONCURRENCY": 1}
    )
    with generator:
        assert list(generator.embed(TEXTS, on_error="keep").failed) == [0]
    assert sizes(backend)[:4] == [4, 4, 4, 2]


def test_failures_with_answers_in_between_are_not_in_a_row() -> None:
    """One text in each of ten batches fails without a reason: thirty failures, all found."""
    texts = [f"text {number:02}" for number in range(80)]
    bad = set(texts[::8])

    def fails(backend: ScriptedBackend, batch: Batch) -> None:
        if bad & set(batch.texts):
            raise TextRejected("it failed", unexplained=True)

    generator, _ = scripted_generator(
        always=fails, settings={"BATCH_SIZE": 8, "EMBEDDING_MAX_CONCURRENCY": 1}
    )
    with generator:
        generator.embed(["before"])
        assert list(generator.embed(texts, on_error="keep").failed) == list(range(0, 80, 8))


def test_one_giant_text_leaves_no_small_requests_behind() -> None:
    """Halving down to it seems to teach ever smaller limits; that it alone is refused unsays it."""

    def too_large(backend: ScriptedBackend, batch: Batch) -> None:
        if TEXTS[0] in batch.texts:
            raise BatchTooLarge("413 Payload Too Large")

    generator, backend = scripted_generator(
        always=too_large, settings={"EMBEDDING_MAX_CONCURRENCY": 1}
    )
    with generator:
        assert list(generator.embed(TEXTS, on_error="keep").failed) == [0]
        backend.batches.clear()
        generator.embed(TEXTS[1:])
    assert sizes(backend) == [11]
