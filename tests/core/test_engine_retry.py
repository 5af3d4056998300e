"""What is done about an error."""

from __future__ import annotations

from typing import Any

import pytest

from ellmental_embeddings import (
    AuthenticationFailed,
    BadReply,
    BatchTooLarge,
    ConfigurationError,
    PluginError,
    QuotaExhausted,
    RateLimited,
    TextRejected,
    Unavailable,
)
from ellmental_embeddings.engine.retry import (
    Again,
    Attempt,
    Drop,
    Fail,
    GiveUp,
    Halve,
    Stop,
    next_step,
)


def attempt(**changed: Any) -> Attempt:
    """The first try of a batch of ten, just sent, where nothing else is said."""
    return Attempt(**{"texts": 10, "tries": 1, "spent": 0.0, "deadline": 300.0, **changed})


@pytest.mark.parametrize(
    ("error", "at", "step"),
    [
        (RateLimited(retry_after=7), attempt(), Again(7, everyone=True)),
        (RateLimited(retry_after=0), attempt(), Again(0, everyone=True)),
        (RateLimited(retry_after=0), attempt(tries=2), Again(0.5)),
        (RateLimited(retry_after=0), attempt(tries=4), Again(2.0)),
        (RateLimited(retry_after=7), attempt(tries=4), Again(7, everyone=True)),
        (RateLimited(), attempt(tries=2), Again(1.0)),
        (Unavailable(retry_after=7), attempt(), Again(7.7)),
        (Unavailable(retry_after=100), attempt(), Again(101)),
        (Unavailable(), attempt(), Again(0.5)),
        (Unavailable(), attempt(tries=3), Again(2.0)),
        (Unavailable(), attempt(tries=50), Again(30.0)),
        (Unavailable(retry_after=-5), attempt(), Again(0.5)),
        (BatchTooLarge(), attempt(), Halve(suspect=False)),
        (BatchTooLarge(), attempt(suspect=True), Halve(suspect=True)),
        (TextRejected(), attempt(), Halve(suspect=True)),
        (TextRejected(index=99), attempt(), Halve(suspect=True)),
        (BadReply(), attempt(bad_replies=1), Again(0.0)),
        (BadReply(), attempt(bad_replies=2), Halve(suspect=True)),
        (BadReply(), attempt(bad_replies=1, suspect=True), Halve(suspect=True)),
        (BadReply(), attempt(bad_replies=1, suspect=True, texts=1), Again(0.0)),
    ],
)
def test_policy_table(error: Any, at: Attempt, step: Any) -> None:
    """Each row of the policy table."""
    assert next_step(error, at, uniform=lambda _low, high: high) == step


@pytest.mark.parametrize(
    ("error", "at", "kind"),
    [
        (TextRejected(index=3), attempt(), Drop),
        (TextRejected(index=0), attempt(texts=1), Fail),
        (TextRejected(), attempt(texts=1), Fail),
        (BatchTooLarge(), attempt(texts=1), Fail),
        (BadReply(), attempt(texts=1, bad_replies=3), Fail),
        (Unavailable(), attempt(spent=300), GiveUp),
        (RateLimited(retry_after=301), attempt(), GiveUp),
        (QuotaExhausted(), attempt(), Stop),
        (AuthenticationFailed(), attempt(), Stop),
        (ConfigurationError(), attempt(), Stop),
        (PluginError(), attempt(), Stop),
    ],
)
def test_policy_ends(error: Any, at: Attempt, kind: type) -> None:
    """Each way in which a batch, or the call, comes to its end."""
    step = next_step(error, at)
    assert type(step) is kind
    if kind is Drop:
        assert step.index == 3  # type: ignore[union-attr]


def test_jitter_keeps_within_half_to_whole() -> None:
    """Batches that failed together do not come back together, and none waits longer than told."""
    waits = [next_step(Unavailable(), attempt(tries=4)).wait for _ in range(200)]  # type: ignore[union-attr]
    assert 2.0 <= min(waits) < max(waits) <= 4.0
    assert len({round(wait, 3) for wait in waits}) > 50


def test_giving_up_keeps_the_kind_and_says_why() -> None:
    """The error after the deadline is of the same class, with tries, seconds and the variable."""
    step = next_step(Unavailable("503 from the gateway."), attempt(spent=300.04, tries=9))
    assert isinstance(step, GiveUp)
    assert isinstance(step.error, Unavailable)
    assert str(step.error) == (
        "503 from the gateway. Gave up after 9 tries in 300.0 s: the next would "
        "come after EMBEDDING_DEADLINE=300."
    )
