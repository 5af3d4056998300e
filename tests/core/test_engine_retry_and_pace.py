"""What is done about an error, and how fast requests go out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellmental_embeddings import (
    AuthenticationFailed,
    BadReply,
    BatchTooLarge,
    ConfigurationError,
    PluginError,
    QuotaExhausted,
    RateLimited,
    RateStatus,
    TextRejected,
    Unavailable,
)
from ellmental_embeddings.engine.pace import MINUTE, Budget, Pace
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
        (Unavailable(retry_after=7), attempt(), Again(7, everyone=False)),
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
        "503 from the gateway. Gave up after 9 tries in 300.0 s (EMBEDDING_DEADLINE=300)."
    )


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 80)), min_size=1, max_size=60),
)
def test_a_budget_is_never_exceeded(per_minute: int, wishes: list[tuple[float, int]]) -> None:
    """Over any sixty seconds no more is spent than allowed, and nobody waits over a minute."""
    budget, now, spent = Budget(per_minute), 0.0, []
    for pause, wished in wishes:
        now += pause
        amount = min(wished, per_minute)
        wait = budget.wait(amount, now)
        assert 0 <= wait <= MINUTE + 1e-6
        now += wait
        assert budget.wait(amount, now) <= 1e-9
        budget.spend(amount, now)
        spent.append((now, amount))
    for end, _ in spent:
        window = sum(amount for when, amount in spent if end - MINUTE + 1e-6 < when <= end)
        assert window <= per_minute


def test_a_budget_lets_go_at_once_what_it_can() -> None:
    """Waiting is only for what is over the budget."""
    budget = Budget(10)
    assert budget.wait(10, 0.0) == 0
    budget.spend(4, 0.0)
    budget.spend(6, 30.0)
    assert budget.wait(4, 30.0) == 30.0
    assert budget.wait(5, 30.0) == 60.0
    assert budget.wait(1000, 95.0) == 0


def test_pace_counts_what_is_in_flight() -> None:
    """A third request waits until one of two is back."""

    async def scenario() -> list[str]:
        pace, seen = Pace(2), []
        await pace.acquire(1)
        await pace.acquire(1)
        third = asyncio.create_task(pace.acquire(1))
        await asyncio.sleep(0.01)
        seen.append(f"waiting: {not third.done()}")
        pace.release()
        await asyncio.wait_for(third, 1)
        return [*seen, f"in flight: {pace.in_flight}"]

    assert asyncio.run(scenario()) == ["waiting: True", "in flight: 2"]


def test_pace_halves_and_recovers() -> None:
    """Strain halves what is allowed, once for refusals that come together; answers restore it."""

    async def scenario() -> list[float]:
        pace = Pace(16)
        allowed = []
        for _ in range(5):
            pace.strained()
        allowed.append(pace.allowed)
        for _ in range(8):
            pace.answered(None)
        allowed.append(pace.allowed)
        for _ in range(1000):
            pace.answered(None)
        return [*allowed, pace.allowed]

    halved, after_a_round, at_last = asyncio.run(scenario())
    assert halved == 8
    assert 8.9 < after_a_round < 9.1
    assert at_last == 16


def test_pace_waits_when_the_service_says_nothing_is_left() -> None:
    """Headers that say no request is left make the next one wait for the reset."""

    async def scenario() -> float:
        pace, loop = Pace(4), asyncio.get_running_loop()
        pace.answered(RateStatus(requests_left=0, requests_reset=0.1, tokens_left=5))
        began = loop.time()
        await pace.acquire(1)
        return loop.time() - began

    assert asyncio.run(scenario()) >= 0.099


def test_a_refusal_that_names_its_wait_is_believed_over_the_reset() -> None:
    """The reset tells when all of a window is free: a refusal's own wait is for some of it."""

    async def go() -> float:
        pace = Pace(4)
        rate = RateStatus(requests_left=0, requests_reset=900.0)
        pace.told(rate, asked=0.0)
        async with asyncio.timeout(5):
            await pace.acquire(1)
        pace.told(rate)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pace.acquire(1)
        return pace.in_flight

    assert asyncio.run(go()) == 1


def test_a_waiter_that_is_cancelled_frees_its_place() -> None:
    """A cancelled waiter neither counts as in flight nor blocks those behind it."""

    async def scenario() -> int:
        pace = Pace(1)
        await pace.acquire(1)
        first, second = (asyncio.create_task(pace.acquire(1)) for _ in range(2))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0)
        pace.release()
        await asyncio.wait_for(second, 1)
        return pace.in_flight

    assert asyncio.run(scenario()) == 1


def test_requests_and_tokens_per_minute_hold_back() -> None:
    """With EMBEDDING_RPM or EMBEDDING_TPM used up, the next request waits for its minute."""

    async def waits(pace: Pace, tokens: int) -> bool:
        await pace.acquire(tokens)
        pace.release()
        try:
            await asyncio.wait_for(pace.acquire(tokens), 0.02)
        except TimeoutError:
            return True
        return False

    async def scenario() -> list[bool]:
        return [
            await waits(Pace(9, rpm=1), 1),
            await waits(Pace(9, rpm=2), 1),
            await waits(Pace(9, tpm=100), 60),
            await waits(Pace(9, tpm=120), 60),
        ]

    assert asyncio.run(scenario()) == [True, False, True, False]
