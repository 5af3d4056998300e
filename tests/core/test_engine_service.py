"""What is learnt of a service, and what is believed of its answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scripted import ScriptedBackend, scripted_generator, vectors_of

from ellmental_embeddings import (
    BadReply,
    Batch,
    BatchTooLarge,
    ConfigurationError,
    Limits,
    ModelInfo,
    Progress,
    Reply,
    TextRejected,
)
from ellmental_embeddings.engine.plan import Rules, group, make_plan

TEXTS = [f"text number {number}" for number in range(100)]

pytestmark = pytest.mark.usefixtures("quick_retries")


def narrow(backend: ScriptedBackend, batch: Batch) -> Reply:
    """Every vector has two numbers."""
    return Reply(vectors_of(batch.texts)[:, :2])


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_wrong_first_width_is_outvoted(concurrency: int) -> None:
    """Where no width is declared and the first answer has the wrong one, it is sent again."""
    generator, _ = scripted_generator(
        script=[narrow],
        model=ModelInfo(),
        settings={"BATCH_SIZE": 10, "EMBEDDING_MAX_CONCURRENCY": concurrency},
    )
    with generator:
        result = generator.embed(TEXTS)
        again = generator.embed(TEXTS[:3])
    assert np.array_equal(result.vectors, vectors_of(TEXTS))
    assert result.usage.requests < 16
    assert np.array_equal(again.vectors, vectors_of(TEXTS[:3]))
    assert result.space.dimensions == 8


@pytest.mark.parametrize("times", [1, 2])
def test_a_wrong_width_once_is_an_accident(times: int) -> None:
    """With EMBEDDING_DIMENSIONS, too, a reply of another width is asked for again, and twice."""
    generator, _ = scripted_generator(
        script=[narrow] * times, model=ModelInfo(), settings={"EMBEDDING_DIMENSIONS": 8}
    )
    with generator:
        assert np.array_equal(generator.embed(TEXTS).vectors, vectors_of(TEXTS))


def test_another_model_ends_the_call() -> None:
    """A service that changes its model under way is refused: two spaces would be mixed."""

    def swapped(backend: ScriptedBackend, batch: Batch) -> Reply:
        name = "Owner/Model-A" if len(backend.batches) < 3 else "model-b"
        return Reply(vectors_of(batch.texts), model=name if len(backend.batches) > 1 else "model-a")

    generator, _ = scripted_generator(
        always=swapped,
        model=ModelInfo(),
        settings={"BATCH_SIZE": 10, "EMBEDDING_MAX_CONCURRENCY": 1},
    )
    with (
        generator,
        pytest.raises(ConfigurationError, match=r"model-b now.*model-a") as error,
    ):
        generator.embed(TEXTS)
    assert error.value.result is not None
    assert sorted(error.value.result.failed) == list(range(20, 100))


@pytest.mark.parametrize("kind", ["nan", "refused"])
@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("first", [0, 300])
def test_a_block_of_bad_texts_does_not_end_the_call(
    kind: str, concurrency: int, first: int
) -> None:
    """Two hundred bad texts side by side, as sorted files have them, cost themselves alone."""
    texts = [f"text {number}" for number in range(1000)]
    bad = set(texts[first : first + 200])

    def fault(backend: ScriptedBackend, batch: Batch) -> Reply | None:
        if not bad.intersection(batch.texts):
            return None
        if kind == "refused":
            raise TextRejected("no")
        return Reply(vectors_of(batch.texts) * np.nan)

    generator, _ = scripted_generator(
        always=fault, settings={"EMBEDDING_MAX_CONCURRENCY": concurrency}
    )
    with generator:
        result = generator.embed(texts, on_error="keep")
    assert {texts[row] for row in result.failed} == bad


def test_a_call_of_bad_texts_alone_says_which() -> None:
    """A batch whose texts are all bad is looked through to its end."""

    def refuse(backend: ScriptedBackend, batch: Batch) -> Reply:
        raise TextRejected("no")

    generator, _ = scripted_generator(always=refuse)
    with generator:
        assert len(generator.embed(TEXTS[:50], on_error="keep").failed) == 50


def test_one_huge_text_does_not_teach_a_wrong_limit() -> None:
    """A size refused without a number, because of one text, leaves later batches whole."""

    def limited(backend: ScriptedBackend, batch: Batch) -> Reply | None:
        if sum(map(len, batch.texts)) > 5000:
            raise BatchTooLarge("too large")
        return None

    generator, _ = scripted_generator(always=limited, settings={"EMBEDDING_MAX_CONCURRENCY": 1})
    with generator:
        result = generator.embed([*TEXTS, "x" * 6000], on_error="keep")
        clean = generator.embed([f"clean {text}" for text in TEXTS])
    assert list(result.failed) == [100]
    assert clean.usage.requests == 2


def test_learnt_limits_of_a_reply_hold() -> None:
    """Limits that a backend only learns by asking are kept from then on."""

    def tells(backend: ScriptedBackend, batch: Batch) -> Reply:
        return Reply(vectors_of(batch.texts), limits=Limits(items=10, concurrency=1))

    generator, backend = scripted_generator(always=tells, settings={"EMBEDDING_MAX_CONCURRENCY": 1})
    with generator:
        generator.embed(TEXTS)
    assert next(len(batch.texts) for batch in backend.batches) == 50
    assert max(len(batch.texts) for batch in backend.batches[1:]) <= 10
    assert generator.limits == Limits(items=10, concurrency=1)


def test_tokens_are_counted_once_a_piece() -> None:
    """Grouping by tokens counts each piece once at most, however small the limit."""
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return len(text.split())

    rules = Rules(most_tokens=len, count_tokens=count)
    plan = make_plan([f"{'word ' * 5}{number}" for number in range(2000)], rules)
    batches = group(plan, Limits(tokens=60), 1000, count)
    assert len(counted) == len(set(counted)) == 2000
    assert {len(batch) for batch in batches} == {10}


def test_a_wrong_second_width_wins_no_tie() -> None:
    """One answer each way: the first one stays, and the other is asked for again."""
    generator, _ = scripted_generator(
        script=[lambda *_: None, narrow],
        model=ModelInfo(),
        settings={"BATCH_SIZE": 50, "EMBEDDING_MAX_CONCURRENCY": 1},
    )
    with generator:
        assert generator.embed(TEXTS).usage.requests == 3


@pytest.mark.parametrize("odd", [{"tokens": "5"}, {"tokens": -1}, {"tokens": True}])
def test_odd_token_counts_are_unknown(odd: Any) -> None:
    """A service that counts tokens oddly does not cost the vectors; the count is unknown."""
    generator, _ = scripted_generator(always=lambda _, batch: Reply(vectors_of(batch.texts), **odd))
    seen: list[Progress] = []
    with generator:
        assert generator.embed(TEXTS, progress=seen.append).usage.tokens is None
    assert seen[-1].tokens is None


def test_bad_reply_of_a_whole_call_is_said() -> None:
    """Where nothing can be used, the last reason is in the message."""
    generator, _ = scripted_generator(always=lambda _, batch: Reply(vectors_of(batch.texts)[:0]))
    with generator, pytest.raises(BadReply, match=r"none of \d+ requests.*vectors"):
        generator.embed([f"text {number}" for number in range(3000)])


@pytest.mark.parametrize("odd", [0, 1, 2])
@pytest.mark.parametrize("concurrency", [1, 2, 8])
def test_a_text_whose_width_is_always_another_costs_itself_alone(
    odd: int, concurrency: int
) -> None:
    """A text that is asked for again and again outvotes nobody, so that the call ends."""
    texts = [f"text {number}" for number in range(6)]

    def answer(backend: ScriptedBackend, batch: Batch) -> Reply:
        rows = [[1.0] * (3 if text == texts[odd] else 4) for text in batch.texts]
        return Reply(rows)

    generator, backend = scripted_generator(
        always=answer,
        model=ModelInfo(name="scripted"),
        settings={"EMBEDDING_MAX_CONCURRENCY": concurrency},
    )
    with generator:
        result = generator.embed(texts, on_error="keep")
    assert list(result.failed) == [odd]
    assert result.dimensions == 4
    assert len(backend.batches) < 20
