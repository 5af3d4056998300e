"""How requests are let go: in flight, in turn, and what generators of one process share."""

from __future__ import annotations

import asyncio
import gc
import math
import os
from typing import TYPE_CHECKING

import pytest

from ellmental_embeddings import RateLimited, RateStatus, Unavailable
from ellmental_embeddings.engine.allowance import Allowance, Ticket
from ellmental_embeddings.engine.concurrency import ENOUGH, FIRST, Concurrency
from ellmental_embeddings.engine.ledger import Most
from ellmental_embeddings.engine.pace import Pace, Pacer
from ellmental_embeddings.shared_limits import allowance_of

if TYPE_CHECKING:
    from collections.abc import Awaitable


def answered(concurrency: Concurrency, times: int, latency: float = 0.1) -> None:
    """So many good answers while all that is allowed is in flight."""
    for _ in range(times):
        concurrency.in_flight = int(concurrency.allowed)
        concurrency.answered(latency, 100)


def test_it_starts_with_a_few_and_quadruples_a_round() -> None:
    """4, 16, 64: two round trips until everything allowed is in flight."""
    concurrency = Concurrency(64)
    rounds = []
    for _ in range(4):
        rounds.append(int(concurrency.allowed))
        answered(concurrency, int(concurrency.allowed))
    assert rounds == [FIRST, 16, 64, 64]


def test_refusals_halve_it_and_answers_restore_it() -> None:
    """Refusals that come together count once; afterwards it grows by one a round."""
    concurrency = Concurrency(16)
    answered(concurrency, 20)
    for _ in range(5):
        concurrency.refused(now=10.0)
    assert concurrency.allowed == 8
    answered(concurrency, 8)
    assert 8.9 < concurrency.allowed < 9.1
    concurrency.refused(now=11.0)
    answered(concurrency, 1000)
    assert concurrency.allowed == 16
    for second in range(20, 40):
        concurrency.refused(now=second)
    assert concurrency.allowed == 1


def test_single_failures_do_not_slow_it_down() -> None:
    """One request in five fails: no overload. Nearly all fail: overload."""
    concurrency = Concurrency(64)
    for turn in range(400):
        answered(concurrency, 4)
        concurrency.failed(now=float(turn))
    assert concurrency.allowed == 64
    for turn in range(400, 420):
        concurrency.failed(now=float(turn))
    assert concurrency.allowed < 8


def test_it_stays_where_more_only_makes_every_answer_later() -> None:
    """A service that works on 20 at a time: 500 in flight would answer none sooner."""
    concurrency = Concurrency(500)
    for _ in range(3000):
        answered(concurrency, 1, latency=0.1 * max(1.0, concurrency.allowed / 20))
    assert ENOUGH < concurrency.allowed < 100


def test_sizes_are_not_mistaken_for_slowness() -> None:
    """Long requests take longer than short ones: that stops no growth."""
    concurrency = Concurrency(64)
    for turn in range(200):
        concurrency.in_flight = int(concurrency.allowed)
        large = bool(turn % 2)
        concurrency.answered(2.0 if large else 0.1, 50_000 if large else 100)
    assert concurrency.allowed == 64


def test_plenty_of_room_in_the_headers_spares_the_growing() -> None:
    """A first answer that says 3,000 requests are left lets all 64 go; 20 do not."""
    for left, expected in ((3000, 64), (20, FIRST + 3)):
        pacer = Pacer(64)
        ticket = pacer.take(100, 0.0)
        assert isinstance(ticket, Ticket)
        pacer.concurrency.in_flight = 2
        rate = RateStatus(requests_limit=3000, requests_left=left, requests_reset=1.0)
        pacer.answered(ticket, 0.1, rate)
        assert int(pacer.concurrency.allowed) == expected


def scenario(run: Awaitable[object]) -> object:
    """The result of a coroutine that has to end within seconds."""

    async def limited() -> object:
        return await asyncio.wait_for(run, 10)

    return asyncio.run(limited())


async def is_waiting(task: asyncio.Task[Ticket]) -> bool:
    """Whether it still waits after others have had their turn."""
    for _ in range(5):
        await asyncio.sleep(0)
    return not task.done()


def test_what_is_in_flight_is_counted() -> None:
    """A third request waits until one of two is back."""

    async def run() -> list[object]:
        pace = Pace(Pacer(2))
        first, _ = await pace.acquire(1), await pace.acquire(1)
        third = asyncio.create_task(pace.acquire(1))
        seen: list[object] = [await is_waiting(third)]
        pace.release(first)
        await third
        return [*seen, pace.in_flight]

    assert scenario(run()) == [True, 2]


def test_a_waiter_that_is_cancelled_frees_its_place() -> None:
    """A cancelled waiter neither counts as in flight nor blocks those behind it."""

    async def run() -> int:
        pace = Pace(Pacer(1))
        ticket = await pace.acquire(1)
        waiters = [asyncio.create_task(pace.acquire(1, again=again)) for again in (True, False)]
        first, second = waiters
        await is_waiting(second)
        first.cancel()
        await is_waiting(second)
        pace.release(ticket)
        await second
        return pace.in_flight

    assert scenario(run()) == 1


def test_what_was_refused_goes_first() -> None:
    """A batch that was sent before overtakes all that wait for their first turn."""

    async def run() -> list[str]:
        pace, order = Pace(Pacer(1)), []

        async def send(name: str, *, again: bool) -> None:
            ticket = await pace.acquire(1, again=again)
            order.append(name)
            await asyncio.sleep(0)
            pace.release(ticket)

        ticket = await pace.acquire(1)
        tasks = [asyncio.create_task(send(name, again=False)) for name in "abc"]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(send("again", again=True)))
        await asyncio.sleep(0)
        pace.release(ticket)
        await asyncio.gather(*tasks)
        return order

    assert scenario(run()) == ["again", "a", "b", "c"]


def test_tokens_are_counted_exactly_only_where_their_bound_would_wait() -> None:
    """The bound lets the first go; the second goes since its exact count fits."""

    async def run() -> list[str]:
        pace, counted = Pace(Pacer(9, Most(tokens=100))), []

        def exact(name: str) -> int:
            counted.append(name)
            return 10

        first = await pace.acquire(60, lambda: exact("first"))
        await pace.acquire(60, lambda: exact("second"))
        # A count that is higher than the bound is wrong: the bound goes.
        third = asyncio.create_task(pace.acquire(40, lambda: 1000))
        assert await is_waiting(third)
        pace.answered(first, None, 10)
        pace.release(first)
        assert (await third).tokens == 40
        fourth = asyncio.create_task(pace.acquire(60))
        assert await is_waiting(fourth)
        assert pace.try_acquire(1) is None, "it would overtake the fourth"
        fourth.cancel()
        await is_waiting(fourth)
        assert pace.try_acquire(1) is not None
        return counted

    assert scenario(run()) == ["second"]


def test_requests_and_tokens_per_minute_hold_back() -> None:
    """With EMBEDDING_RPM or EMBEDDING_TPM used up, the next request waits for its minute."""
    waits = []
    for limits, tokens in (
        (Most(requests=1), 1), (Most(requests=2), 1), (Most(tokens=100), 60), (Most(tokens=120), 60)
    ):  # fmt: skip
        pacer = Pacer(9, limits)
        assert isinstance(pacer.take(tokens, 0.0), Ticket)
        waits.append(pacer.take(tokens, 10.0))
        assert pacer.allowance.by_settings == isinstance(waits[-1], float)
    assert [isinstance(wait, Ticket) for wait in waits] == [False, True, False, True]
    assert all(50 < wait < 52 for wait in waits if isinstance(wait, float))


def test_tokens_are_made_up_for_once_they_are_known() -> None:
    """A bound of 100 turned out to be 10: the other 90 may be spent."""
    pacer = Pacer(9, Most(tokens=100))
    ticket = pacer.take(100, 0.0)
    assert isinstance(ticket, Ticket)
    assert not isinstance(pacer.take(90, 1.0), Ticket)
    pacer.answered(ticket, 1.0, None, 10)
    pacer.release(ticket, 1.0)
    assert isinstance(pacer.take(90, 1.0), Ticket)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_pause_holds_back_everyone_and_a_random_bit_longer(share: float) -> None:
    """Programs that were refused together do not come back together, and none too early."""
    pacer = Pacer(9, uniform=lambda low, high: low + share * (high - low))
    pacer.allowance.by_settings = True
    pacer.pause(4.0, now=0.0)
    pacer.pause(1.0, now=0.0)  # a shorter one ends no longer one
    assert pacer.take(1, 3.9) == pytest.approx(0.1 + share * 0.4)
    assert not pacer.allowance.by_settings, "it is the service that asks for it"
    assert isinstance(pacer.take(1, 4.0 + share * 0.4), Ticket)


def test_nothing_is_sent_when_headers_say_that_nothing_is_left() -> None:
    """Not before the service refuses: the answer that says it was a good one."""
    pacer = Pacer(9)
    ticket = pacer.take(1, 0.0)
    assert isinstance(ticket, Ticket)
    pacer.answered(ticket, 0.1, RateStatus(requests_limit=10, requests_left=0, requests_reset=30.0))
    pacer.release(ticket, 0.1)
    wait = pacer.take(1, 0.1)
    assert isinstance(wait, float)
    assert 29 < wait < 31
    assert isinstance(pacer.take(1, 0.1 + wait), Ticket)


def test_what_headers_say_replaces_what_refusals_taught() -> None:
    """A service that says that plenty is left is not sent to at a rate that a refusal taught."""
    pacer = Pacer(9)
    good, refused = pacer.take(1, 0.0), pacer.take(1, 0.0)
    assert isinstance(good, Ticket)
    assert isinstance(refused, Ticket)
    pacer.answered(good, 0.1)
    pacer.release(good, 0.1)
    pacer.failed(refused, 1.9, RateLimited())
    pacer.release(refused, 1.9)
    assert isinstance(pacer.take(1, 2.0), float)
    asked = pacer.take(1, 6.0)
    assert isinstance(asked, Ticket)
    plenty = RateStatus(requests_limit=1000, requests_left=999, requests_reset=60.0)
    pacer.answered(asked, 6.1, plenty)
    pacer.release(asked, 6.1)
    assert all(isinstance(pacer.take(1, 6.1), Ticket) for _ in range(2))


def test_generators_with_one_key_share_one_allowance() -> None:
    """What one has spent the other cannot; others have their own, and so has who names no key."""
    one, same, other = allowance_of("key", None), allowance_of("key", None), allowance_of("k", None)
    assert one is same
    assert len({id(one), id(other), id(allowance_of(None, None))}) == 3
    pacers = [Pacer(9, Most(requests=3), allowance) for allowance in (one, same)]
    taken = [pacers[turn % 2].take(1, 5.0) for turn in range(4)]
    assert [isinstance(ticket, Ticket) for ticket in taken] == [True, True, True, False]


def test_closing_and_loading_again_frees_no_budget() -> None:
    """The minute is remembered, though nobody holds the allowance in between."""
    assert isinstance(Pacer(9, Most(requests=1), allowance_of("closed", None)).take(1, 5.0), Ticket)
    gc.collect()
    assert not isinstance(
        Pacer(9, Most(requests=1), allowance_of("closed", None)).take(1, 6.0), Ticket
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_inherits_no_held_lock() -> None:
    """A child of a process whose other thread held an allowance can use its own."""
    allowance = allowance_of("forked", None)
    with allowance._lock:
        child = os.fork()
        if not child:
            taken = allowance_of("forked", None).take(1, Most(), 0.0)
            os._exit(0 if isinstance(taken, Ticket) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_failures_and_refusals_reach_what_they_concern() -> None:
    """A refusal without a word lowers the rate; an outage does not."""
    for error, lowered in ((RateLimited(), True), (Unavailable(), False)):
        allowance = Allowance()
        pacer = Pacer(64, allowance=allowance)
        for turn in range(20):
            ticket = pacer.take(1, turn / 10)
            assert isinstance(ticket, Ticket)
            pacer.answered(ticket, turn / 10 + 0.05)
            pacer.release(ticket, turn / 10 + 0.05)
        ticket = pacer.take(1, 2.0)
        assert isinstance(ticket, Ticket)
        pacer.failed(ticket, 2.1, error)
        pacer.release(ticket, 2.1)
        assert (allowance.learnt.rate is not None) is lowered
        assert (allowance.learnt.wait(2.1) > 0) is lowered
        assert pacer.take(1, 2.1) != math.inf
