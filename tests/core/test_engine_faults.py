"""The engine against a service that does everything wrong that services do."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import ScriptedBackend, scripted_generator, vector_of, vectors_of

from ellmental_embeddings import (
    BadReply,
    Batch,
    BatchTooLarge,
    EmbeddingFailed,
    Limits,
    RateLimited,
    Reply,
    TextRejected,
    Unavailable,
)

if TYPE_CHECKING:
    from typing import Any

TEXTS = [f"text number {number}" for number in range(103)]

pytestmark = pytest.mark.usefixtures("quick_retries")


def shuffled(backend: ScriptedBackend, batch: Batch) -> Reply:
    """All vectors, in another order, with their indices."""
    order = np.random.default_rng(7).permutation(len(batch.texts))
    return Reply(vectors_of(batch.texts)[order], index=order.tolist(), tokens=1)


def short(backend: ScriptedBackend, batch: Batch) -> Reply:
    """One vector is missing."""
    return Reply(vectors_of(batch.texts)[:-1])


def long(backend: ScriptedBackend, batch: Batch) -> Reply:
    """One vector too many."""
    return Reply(vectors_of([*batch.texts, "one more"]))


def with_nan(backend: ScriptedBackend, batch: Batch) -> Reply:
    """One number is no number."""
    vectors = vectors_of(batch.texts)
    vectors[-1, 3] = math.nan
    return Reply(vectors)


def narrow(backend: ScriptedBackend, batch: Batch) -> Reply:
    """Every vector lacks a number."""
    return Reply(vectors_of(batch.texts)[:, :-1])


def doubled_index(backend: ScriptedBackend, batch: Batch) -> Reply:
    """Vectors claim one text together, and one that was not asked for."""
    return Reply(vectors_of(batch.texts), index=[len(batch.texts)] * len(batch.texts))


def ragged(backend: ScriptedBackend, batch: Batch) -> Reply:
    """Rows of unequal length."""
    return Reply([vector_of(text).tolist()[: 8 - n % 2] for n, text in enumerate(batch.texts)])


def nulls(backend: ScriptedBackend, batch: Batch) -> Reply:
    """Null where JSON has no NaN."""
    rows: Any = [[None] * 8 for _ in batch.texts]
    return Reply(rows)


def digits_as_text(backend: ScriptedBackend, batch: Batch) -> Reply:
    """Numbers as strings, which numpy would convert without a word."""
    return Reply([[str(number) for number in vector_of(text)] for text in batch.texts])


def busy(backend: ScriptedBackend, batch: Batch) -> Reply:
    """429 with Retry-After."""
    raise RateLimited("slow down", retry_after=0.02)


def busy_without_a_word(backend: ScriptedBackend, batch: Batch) -> Reply:
    """429 without Retry-After."""
    raise RateLimited


def down(backend: ScriptedBackend, batch: Batch) -> Reply:
    """503."""
    raise Unavailable("503 Service Unavailable")


def connection_lost(backend: ScriptedBackend, batch: Batch) -> Reply:
    """Python's own error, as a naive backend lets it through."""
    raise ConnectionResetError("reset by peer")


async def hang(backend: ScriptedBackend, batch: Batch) -> Reply:
    """Never answers."""
    await asyncio.sleep(3600)
    raise AssertionError("nobody waits an hour")


PASSING = [
    shuffled,
    short,
    long,
    with_nan,
    narrow,
    doubled_index,
    ragged,
    nulls,
    digits_as_text,
    busy,
    busy_without_a_word,
    down,
    connection_lost,
]


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("times", [1, 3])
def test_passing_fault(fault: Any, times: int) -> None:
    """Each vector is on its own text's row, whatever went wrong a few times on the way."""
    generator, backend = scripted_generator(script=[fault] * times, settings={"BATCH_SIZE": 10})
    with generator:
        result = generator.embed(TEXTS)
    assert np.array_equal(result.vectors, vectors_of(TEXTS))
    assert result.usage.requests == len(backend.batches)
    assert {outcome.status for outcome in result.outcomes} == {"ok"}


@pytest.mark.parametrize("fault", [short, long, with_nan, narrow, doubled_index, nulls])
def test_one_text_with_bad_replies_fails_alone(fault: Any) -> None:
    """A text whose replies are always bad is found by halving, and costs itself alone."""

    def only_for_the_bad(backend: ScriptedBackend, batch: Batch) -> Reply | None:
        return fault(backend, batch) if TEXTS[42] in batch.texts else None

    generator, backend = scripted_generator(always=only_for_the_bad, settings={"BATCH_SIZE": 64})
    with generator, pytest.raises(EmbeddingFailed) as caught:
        generator.embed(TEXTS)
    result = caught.value.result
    assert list(result.failed) == [42]
    assert isinstance(result.failed[42], BadReply)
    assert np.isnan(result.vectors[42]).all()
    others = [number for number in range(len(TEXTS)) if number != 42]
    assert np.array_equal(result.vectors[others], vectors_of(TEXTS[number] for number in others))
    assert "text 42" in str(caught.value)
    # Once more, then halves down to one text, which is sent twice.
    assert len(backend.batches) <= 2 + 2 + 2 * math.log2(64) + 1


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("poison", [1, 10])
def test_refused_texts_fail_alone(named: bool, poison: int) -> None:
    """Refused texts fail alone, at no more than two requests per halving for each of them."""
    bad = {TEXTS[number * 9] for number in range(poison)}

    def refuse(backend: ScriptedBackend, batch: Batch) -> Reply | None:
        for index, text in enumerate(batch.texts):
            if text in bad:
                raise TextRejected(f"no {text}", index=index if named else None)
        return None

    generator, backend = scripted_generator(always=refuse, settings={"BATCH_SIZE": 64})
    with generator:
        result = generator.embed(TEXTS, on_error="keep")
    assert {TEXTS[number] for number in result.failed} == bad
    good = [number for number in range(len(TEXTS)) if number not in result.failed]
    assert np.array_equal(result.vectors[good], vectors_of(TEXTS[number] for number in good))
    assert np.isnan(result.vectors[list(result.failed)]).all()
    extra = len(backend.batches) - math.ceil(len(TEXTS) / 64)
    assert extra <= (poison if named else poison * 2 * math.log2(64))


def test_index_outside_the_batch_is_searched_for() -> None:
    """A refusal that names a text that was not in the batch is treated as naming none."""

    def refuse(backend: ScriptedBackend, batch: Batch) -> Reply | None:
        if TEXTS[5] in batch.texts:
            raise TextRejected("no", index=4711)
        return None

    generator, _ = scripted_generator(always=refuse)
    with generator:
        assert list(generator.embed(TEXTS, on_error="keep").failed) == [5]


@pytest.mark.parametrize("said", [{"items": 7}, {}, {"tokens": 21}, {"bytes": 100}])
def test_a_limit_is_learnt(said: dict[str, int]) -> None:
    """A refused size is halved, and what was learnt holds for all later requests."""

    def limited(backend: ScriptedBackend, batch: Batch) -> Reply | None:
        sizes = {
            "items": len(batch.texts),
            "tokens": sum(map(backend.count_tokens, batch.texts)),
            "bytes": sum(map(len, batch.texts)),
        }
        if any(sizes[what] > most for what, most in (said or {"items": 7}).items()):
            raise BatchTooLarge("too large", **said)
        return None

    generator, backend = scripted_generator(
        always=limited, settings={"BATCH_SIZE": 50, "EMBEDDING_MAX_CONCURRENCY": 1}
    )
    with generator:
        result = generator.embed(TEXTS)
        refused_at_first = result.usage.retries
        again = generator.embed([f"again {text}" for text in TEXTS])
    assert np.array_equal(result.vectors, vectors_of(TEXTS))
    assert refused_at_first > 0
    assert again.usage.retries == 0, "the limit was forgotten"
    assert not again.failed
    assert backend.limits == Limits(), "what is learnt belongs to the engine"


def test_one_text_too_large_fails_alone() -> None:
    """A text that is too large by itself is refused as that text's fault."""

    def limited(backend: ScriptedBackend, batch: Batch) -> Reply | None:
        if any("77" in text for text in batch.texts):
            raise BatchTooLarge("over 1 MB")
        return None

    generator, _ = scripted_generator(always=limited)
    with generator:
        result = generator.embed(TEXTS, on_error="keep")
    assert list(result.failed) == [77]
    assert isinstance(result.failed[77], TextRejected)


def test_a_hang_ends_at_the_time_out() -> None:
    """A request that never answers is given up after EMBEDDING_TIMEOUT and sent again."""
    generator, backend = scripted_generator(script=[hang], settings={"EMBEDDING_TIMEOUT": 0.1})
    with generator:
        result = generator.embed(TEXTS)
    assert np.array_equal(result.vectors, vectors_of(TEXTS))
    assert backend.in_flight == 0
    assert result.usage.retries == 1


def test_a_wait_that_is_asked_for_holds_for_all() -> None:
    """After Retry-After no other request goes out before the time is over."""
    sent: list[float] = []

    def busy_once(backend: ScriptedBackend, batch: Batch) -> None:
        sent.append(time.monotonic())
        if len(sent) == 1:
            raise RateLimited("slow down", retry_after=0.3)

    generator, _ = scripted_generator(
        always=busy_once, settings={"BATCH_SIZE": 1, "EMBEDDING_MAX_CONCURRENCY": 1}
    )
    with generator:
        generator.embed(TEXTS[:5])
    assert sent[1] - sent[0] >= 0.29


def test_concurrency_stays_below_its_limit() -> None:
    """No more requests are in flight than EMBEDDING_MAX_CONCURRENCY and the backend allow."""

    async def slow(backend: ScriptedBackend, batch: Batch) -> None:
        await asyncio.sleep(0.005)

    for limits, most in ((Limits(), 5), (Limits(concurrency=2), 2)):
        generator, backend = scripted_generator(
            always=slow,
            limits=limits,
            settings={"BATCH_SIZE": 1, "EMBEDDING_MAX_CONCURRENCY": 5},
        )
        with generator:
            generator.embed(TEXTS)
        assert backend.most_in_flight == most


@settings(max_examples=60, deadline=None)
@given(
    faults=st.lists(st.sampled_from([*PASSING, None]), max_size=40),
    texts=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=80),
    batch_size=st.integers(1, 20),
    concurrency=st.integers(1, 8),
)
def test_any_mixture_of_faults(
    faults: list[Any], texts: list[str], batch_size: int, concurrency: int
) -> None:
    """No row is ever wrong: it has its own text's vector, or it is NaN and says why."""
    generator, backend = scripted_generator(
        script=[fault or (lambda _backend, _batch: None) for fault in faults],
        settings={"BATCH_SIZE": batch_size, "EMBEDDING_MAX_CONCURRENCY": concurrency},
    )
    with generator:
        try:
            result = generator.embed(texts, on_error="keep")
        except BadReply as error:  # so many faults in a row that the service seemed broken
            assert error.result is None or len(error.result.failed) < len(texts)  # noqa: PT017
            return
    for number, text in enumerate(texts):
        if number in result.failed:
            assert np.isnan(result.vectors[number]).all()
        else:
            assert np.array_equal(result.vectors[number], vector_of(text))
    assert backend.in_flight == 0
