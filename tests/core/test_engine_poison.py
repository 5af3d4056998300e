"""Texts that a service refuses: only they fail, and finding them costs few requests."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import ScriptedBackend, scripted_generator, vectors_of

from ellmental_embeddings import TextRejected

if TYPE_CHECKING:
    from ellmental_embeddings import Batch, Embeddings

TEXTS = [f"text number {number}" for number in range(10_000)]
RIGHT = vectors_of(TEXTS)


def embedded(
    texts: list[str], bad: set[str], *, named: bool, **given: Any
) -> tuple[Embeddings, ScriptedBackend]:
    """What a call comes to whose service refuses the bad texts; and the service."""

    def refuse(backend: ScriptedBackend, batch: Batch) -> None:
        for index, text in enumerate(batch.texts):
            if text in bad:
                raise TextRejected(f"no {text}", index=index if named else None)

    generator, backend = scripted_generator(always=refuse, settings=given)
    with generator:
        return generator.embed(texts, on_error="keep"), backend


def assert_only_they_failed(result: Embeddings, poison: list[int], texts: int) -> None:
    """Each bad text failed by its own name, every other row is right."""
    assert sorted(result.failed) == poison
    for row in poison:
        assert str(result.failed[row]) == f"no {TEXTS[row]}"
    good = np.delete(np.arange(texts), poison)
    assert np.array_equal(result.vectors[good], RIGHT[good])
    assert np.isnan(result.vectors[poison]).all()


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("number", [1, 10, 100])
@pytest.mark.parametrize("batch", [50, 512])
@pytest.mark.parametrize("lie", ["apart", "together"])
def test_poison_among_ten_thousand(*, named: bool, number: int, batch: int, lie: str) -> None:
    """They alone fail, at no more than 2 log2(batch) further requests for each."""
    draw = random.Random(f"{named}{number}{batch}")
    apart = sorted(draw.sample(range(len(TEXTS)), number))
    poison = apart if lie == "apart" else list(range(777, 777 + number))
    result, backend = embedded(TEXTS, {TEXTS[row] for row in poison}, named=named, BATCH_SIZE=batch)
    assert_only_they_failed(result, poison, len(TEXTS))
    extra = len(backend.batches) - math.ceil(len(TEXTS) / batch)
    assert extra <= number * (1 if named else 2 * math.log2(batch))
    assert result.usage.requests == len(backend.batches)


@pytest.mark.parametrize("batch", [2, 3, 5, 9, 50, 64])
def test_the_bound_holds_wherever_the_text_is(batch: int) -> None:
    """At each place of a batch, also of one that is no power of two."""
    for place in range(batch):
        result, backend = embedded(
            TEXTS[: 2 * batch], {TEXTS[place]}, named=False, BATCH_SIZE=batch
        )
        assert_only_they_failed(result, [place], 2 * batch)
        assert len(backend.batches) - 2 <= 2 * math.log2(batch), place


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.integers(0, 199), min_size=1, max_size=199),
    st.integers(2, 70),
    st.integers(1, 8),
)
def test_any_set_of_bad_texts(poison: set[int], batch: int, concurrency: int) -> None:
    """Whichever texts are refused, they alone fail, within the bound."""
    result, backend = embedded(
        TEXTS[:200],
        {TEXTS[row] for row in poison},
        named=False,
        BATCH_SIZE=batch,
        EMBEDDING_MAX_CONCURRENCY=concurrency,
    )
    assert_only_they_failed(result, sorted(poison), 200)
    extra = len(backend.batches) - math.ceil(200 / batch)
    assert extra <= len(poison) * 2 * math.log2(batch)


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 99), max_size=20), st.randoms())
def test_a_refusal_that_is_not_repeated_loses_nothing(poison: set[int], draw: Any) -> None:
    """Where a batch is refused without a reason, and its halves are not, no text fails."""

    def now_and_then(backend: ScriptedBackend, batch: Batch) -> None:
        bad = {TEXTS[row] for row in poison} & set(batch.texts)
        if bad or (len(batch.texts) > 1 and draw.random() < 0.3):
            raise TextRejected("; ".join(sorted(bad)) or "no reason")

    generator, _ = scripted_generator(always=now_and_then, settings={"BATCH_SIZE": 16})
    with generator:
        result = generator.embed(TEXTS[:100], on_error="keep")
    assert sorted(result.failed) == sorted(poison)
    good = np.delete(np.arange(100), sorted(poison))
    assert np.array_equal(result.vectors[good], RIGHT[good])
