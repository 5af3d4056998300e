"""``estimate``: what a call or stream would send, held against what it then sends."""

from __future__ import annotations

from typing import Any

import pytest
from scripted import scripted_generator

from ellmental_embeddings import Estimate, Limits, ModelInfo

TEXTS = [f"text number {number}" for number in range(230)]


@pytest.mark.parametrize(
    "script",
    [
        {},
        {"limits": Limits(items=7)},
        {"limits": Limits(tokens=20)},
        {"limits": Limits(bytes=300)},
        {"settings": {"BATCH_SIZE": 3}},
        {"settings": {"EMBEDDING_DOCUMENT_INSTRUCTION": "passage of words: "}},
    ],
    ids=["plain", "items", "tokens", "bytes", "batch size", "prefix"],
)
def test_it_is_what_a_stream_then_sends(script: dict[str, Any]) -> None:
    """Requests, texts and tokens agree with the bill, duplicates and blank texts included."""
    texts = [*TEXTS, " ", *TEXTS[:5], "text number 1"] * 2
    generator, backend = scripted_generator(**script)
    with generator:
        estimate = generator.estimate(iter(texts))
        assert backend.batches == []
        parts = list(generator.stream(texts, on_error="keep"))
    assert estimate.texts == len(texts)
    assert estimate.requests == len(backend.batches)
    assert estimate.unique == len(backend.sent) == sum(part.usage.unique for part in parts)
    assert estimate.tokens == sum(len(text.split()) for text in backend.sent)
    assert estimate.exact
    assert estimate.failed == sum(len(part.failed) for part in parts) == 2


@pytest.mark.parametrize(("policy", "unique", "failed"), [("error", 0, 1), ("average", 3, 0)])
def test_over_long_texts_are_counted_as_the_policy_says(
    policy: str, unique: int, failed: int
) -> None:
    """They fail, or become several pieces; either way they are over-long."""
    generator, _ = scripted_generator(
        settings={"EMBEDDING_OVERLONG": policy}, limits=Limits(tokens_per_text=2)
    )
    with generator:
        estimate = generator.estimate(["one two three four five"])
    assert (estimate.overlong, estimate.unique, estimate.failed) == (1, unique, failed)


def test_where_tokens_cannot_be_counted_it_is_a_bound_and_says_so() -> None:
    """The sum of the bounds, marked as not exact."""
    generator, backend = scripted_generator()
    backend.count_tokens = lambda text: None  # type: ignore[method-assign,assignment,return-value]
    with generator:
        estimate = generator.estimate(["four", "three"])
    assert (estimate.tokens, estimate.exact) == (9, False)


def test_what_the_cache_has_is_not_counted_as_sent() -> None:
    """Known texts are counted apart; where the model is not known yet, nobody can say."""
    settings = {"EMBEDDING_CACHE": "cache"}
    generator, _ = scripted_generator(settings=settings)
    with generator:
        generator.embed(TEXTS[:100])
    generator, backend = scripted_generator(settings=settings)
    with generator:
        estimate = generator.estimate(TEXTS)
        assert backend.batches == []
        result = generator.embed(TEXTS)
    assert estimate.cached == result.usage.cached == 100
    assert estimate.requests == len(backend.batches) == 3
    assert estimate.tokens == 130 * 3
    generator, _ = scripted_generator(settings=settings, model=ModelInfo())
    with generator:
        assert generator.estimate(TEXTS).cached is None


def test_nothing_is_nothing() -> None:
    """No texts, no requests."""
    generator, _ = scripted_generator()
    with generator:
        assert generator.estimate([]) == Estimate()
