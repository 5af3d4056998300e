"""The pacer against services that enforce limits, on a simulated clock: minutes in moments."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulated_service import Budget, Job, Kind, Report, Service, run

from ellmental_embeddings.engine.allowance import Allowance
from ellmental_embeddings.engine.ledger import Most
from ellmental_embeddings.engine.pace import Pacer

if TYPE_CHECKING:
    import random

KINDS: tuple[Kind, ...] = ("bucket", "fixed", "sliding")
MINUTES = 6


def used(service: Service) -> list[float]:
    """Shares of the allowed rates that were used once the first window, a free one, was over."""
    windows = MINUTES - 2
    shares = []
    for column, budget in enumerate((service.requests, service.tokens)):
        if budget is not None:
            start, end = budget.second, budget.second + windows * budget.window
            later = [(1, tokens) for at, tokens in service.arrivals if start <= at < end]
            shares.append(sum(each[column] for each in later) / (budget.limit * windows))
    return shares


def send(service: Service, most: Most, job: Job, seed: int, *, generators: int = 1) -> Report:
    """More than the service takes in the time, through generators with one key."""
    allowance = Allowance()
    pacers = [Pacer(64, most, allowance) for _ in range(generators)]
    return run(pacers, service, [job] * 20_000, seed=seed, until=MINUTES * 60.0)


@settings(max_examples=12, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    limit=st.integers(20, 900),
    phase=st.floats(0, 59),
    slow=st.floats(0.02, 1.0),
    generators=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
# A first answer heard right before its window turned: its short reset is no window.
@example(kind="fixed", limit=52, phase=59.73157415430557, slow=0.5154152, generators=1, seed=358)
@example(kind="fixed", limit=530, phase=59.31021005159141, slow=1.0, generators=3, seed=336)
# Answers slower than what came back after they were sent.
@example(kind="sliding", limit=32, phase=59.16, slow=1.0, generators=3, seed=997)
@example(kind="sliding", limit=41, phase=47.46959958632809, slow=1.0, generators=2, seed=33)
@example(kind="sliding", limit=293, phase=0, slow=0.7533761418736393, generators=2, seed=637)
# Buckets that are recognised while the first burst is in flight, and small ones.
@example(kind="bucket", limit=465, phase=59, slow=1.0, generators=2, seed=322)
@example(kind="bucket", limit=34, phase=0, slow=0.5271059518186676, generators=1, seed=407)
@example(kind="bucket", limit=25, phase=50.55777587087915, slow=1.0, generators=1, seed=522)
def test_requests_a_minute_are_used_and_not_refused(
    kind: Kind, limit: int, phase: float, slow: float, generators: int, seed: int
) -> None:
    """From the headers of good answers alone: 95% of the rate, and under 1% refused."""
    service = Service(
        requests=Budget(kind, limit, phase=phase),
        latency=lambda dice, _: dice.uniform(slow, 2 * slow),
    )
    report = send(service, Most(), Job(100, 400), seed, generators=generators)
    assert report.refusals < 0.01
    assert min(used(service)) >= 0.95


@settings(max_examples=12, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    limit=st.integers(40_000, 1_000_000),
    phase=st.floats(0, 59),
    bound=st.floats(1, 4),
    seed=st.integers(0, 1000),
)
# A refusal from before a window turned is heard after it has.
@example(kind="fixed", limit=381184, phase=58.66849450956663, bound=3.5111673454178276, seed=945)
def test_tokens_a_minute_are_used_and_not_refused(
    kind: Kind, limit: int, phase: float, bound: float, seed: int
) -> None:
    """The same for tokens, of which only a bound is known before the answer."""
    service = Service(tokens=Budget(kind, limit, phase=phase))
    report = send(service, Most(), Job(750, int(750 * bound)), seed)
    assert report.refusals < 0.01
    assert min(used(service)) >= 0.95 - 750 / limit * bound


@settings(max_examples=10, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    rpm=st.integers(20, 900),
    tpm=st.integers(40_000, 1_000_000),
    phase=st.floats(0, 59),
    seed=st.integers(0, 1000),
)
def test_the_settings_alone_are_enough(
    kind: Kind, rpm: int, tpm: int, phase: float, seed: int
) -> None:
    """A silent service, EMBEDDING_RPM and EMBEDDING_TPM: nothing refused, the scarcer one used."""
    service = Service(
        requests=Budget(kind, rpm, phase=phase),
        tokens=Budget(kind, tpm, phase=phase),
        headers=False,
    )
    report = send(service, Most(rpm, tpm), Job(750, 750), seed)
    assert report.refused == 0
    later = sum(at >= 60 for at, _ in service.arrivals)  # its own minutes, not the service's
    assert max(later / rpm, later * 750 / tpm) >= (0.95 - 750 / tpm) * (MINUTES - 1)
    for end, _ in service.arrivals[:: max(1, len(service.arrivals) // 50)]:
        window = [tokens for when, tokens in service.arrivals if end - 60 < when <= end]
        assert len(window) <= rpm
        assert sum(window) <= tpm


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("before", "after"), [(600, 150), (150, 600)])
def test_limits_that_change_in_mid_run(kind: Kind, before: int, after: int) -> None:
    """The new limit is used as well; what is refused in all is what was in flight just then."""
    budget = Budget(kind, before, phase=20.0)
    service = Service(requests=budget, events=[(150.0, lambda _: budget.change(after))])
    report = send(service, Most(), Job(100, 100), seed=1)
    assert report.refused <= 64
    later = sum(when >= 240 for when, _ in service.arrivals)
    assert later >= 0.9 * after * 2  # two windows of a little over a minute


@pytest.mark.parametrize("kind", KINDS)
def test_bursts_with_rests_between(kind: Kind) -> None:
    """After a rest nothing is sent that the service would refuse."""
    service = Service(requests=Budget(kind, 100, phase=20.0))
    pacer = Pacer(64)
    for burst in range(8):
        report = run([pacer], service, [Job(10, 10)] * 80, seed=burst, start=47.0 * burst)
        assert (report.answered, report.refused) == (80, 0)


@pytest.mark.parametrize("window", [1.0, 10.0, 600.0])
@pytest.mark.parametrize("kind", KINDS)
def test_windows_that_are_no_minute(kind: Kind, window: float) -> None:
    """How long a window is is learnt from the headers, too."""
    service = Service(
        requests=Budget(kind, 200, window=window), latency=lambda dice, _: dice.uniform(0.01, 0.02)
    )
    report = run([Pacer(64)], service, [Job(10, 10)] * 20_000, until=MINUTES * window)
    assert report.refusals < 0.01
    assert min(used(service)) >= 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_very_small_limits_are_not_run_into(kind: Kind) -> None:
    """Ten requests a minute: not one is refused, where a flood of 64 would see 54 refusals."""
    service = Service(requests=Budget(kind, 10, phase=20.0))
    report = send(service, Most(), Job(10, 10), seed=3)
    assert report.refused == 0
    assert report.answered >= 0.95 * 10 * (MINUTES - 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [100, 600])
@pytest.mark.parametrize("says_wait", [True, False])
def test_a_service_that_says_nothing_of_its_limits(kind: Kind, limit: int, says_wait: bool) -> None:
    """It is learnt from refusals: all of the rate, and few refusals once it is learnt.

    At first some are in flight when the limit is met, and it is tried when it opens again.
    """
    pacer, learnt = Pacer(64), []
    service = Service(
        requests=Budget(kind, limit, phase=20.0),
        headers=False,
        says_wait=says_wait,
        events=[(120.0, lambda _: learnt.append((pacer.refused, pacer.sent)))],
    )
    run([pacer], service, [Job(10, 10)] * 20_000, seed=5, until=1200.0)
    refused, sent = learnt[0]
    assert refused <= (600 if kind == "bucket" else 150)
    share = 0.025 if kind == "bucket" else 0.005
    assert pacer.refused - refused <= share * (pacer.sent - sent)
    later = sum(when >= 60 for when, _ in service.arrivals)
    assert later >= 0.95 * limit * 19


@pytest.mark.parametrize("kind", ["fixed", "sliding"])
@pytest.mark.parametrize("says_wait", [True, False])
def test_a_limit_that_nobody_tells_is_found_again_when_it_rises(
    kind: Kind, says_wait: bool
) -> None:
    """One request more is tried, then twice as many: four times the limit within five minutes."""
    budget = Budget(kind, 150, phase=20.0)
    service = Service(
        requests=budget,
        headers=False,
        says_wait=says_wait,
        events=[(300.0, lambda _: budget.change(600))],
    )
    report = run([Pacer(64)], service, [Job(10, 10)] * 20_000, seed=5, until=720.0)
    assert sum(when >= 600 for when, _ in service.arrivals) >= 0.95 * 600 * 2
    assert report.refusals < 0.05


def test_a_limit_that_is_not_used_is_not_taken_for_a_higher_one() -> None:
    """Half an hour of little traffic teaches nothing: afterwards no flood runs into the limit."""
    pacer = Pacer(64)
    service = Service(requests=Budget("fixed", 100, phase=20.0), headers=False)
    run([pacer], service, [Job(10, 10)] * 500, seed=5)
    for minute in range(10, 40):
        run([pacer], service, [Job(10, 10)] * 5, seed=minute, start=60.0 * minute)
    assert run([pacer], service, [Job(10, 10)] * 400, seed=5, start=2460.0).refused <= 6


@pytest.mark.parametrize("kind", ["fixed", "sliding"])
def test_a_service_that_stays_closed_is_asked_ever_less_often(kind: Kind) -> None:
    """100 requests an hour, and no word of it: once a minute in the end, and all 100 are used."""
    service = Service(requests=Budget(kind, 100, window=3600.0), headers=False, says_wait=False)
    report = run([Pacer(64)], service, [Job(10, 10)] * 1000, seed=5, until=7200.0)
    assert report.answered >= 195
    assert report.refused <= 64 + 2 * 90


@pytest.mark.parametrize(
    ("kind", "limit", "window", "seconds", "most_refused"),
    [
        ("fixed", 100, 2.0, 300, 0.06),
        ("fixed", 40, 20.0, 600, 0.12),
        ("sliding", 40, 20.0, 600, 0.14),
    ],
)
def test_short_windows_that_nobody_tells_teach_a_rate(
    kind: Kind, limit: int, window: float, seconds: float, most_refused: float
) -> None:
    """Windows of seconds, and no word of them: most of the rate is used, and few are refused."""
    budget = Budget(kind, limit, window=window, phase=window / 3)
    service = Service(requests=budget, headers=False, says_wait=False)
    report = run([Pacer(64)], service, [Job(10, 10)] * 20_000, seed=5, until=seconds)
    assert report.answered >= 0.6 * limit * seconds / window
    assert report.refusals < most_refused


@pytest.mark.parametrize("at_once", [1, 4, 10, 40])
def test_a_service_that_works_on_so_many_at_a_time(at_once: int) -> None:
    """It refuses more, and does not say what it takes: near all it can is used, 3% refused."""
    service = Service(
        at_once=at_once, headers=False, latency=lambda dice, _: dice.uniform(0.1, 0.2)
    )
    report = run([Pacer(64)], service, [Job(10, 10)] * 4000)
    assert report.answered == 4000
    assert report.refusals < 0.03
    assert report.seconds < 4000 * 0.15 / at_once * 3


@pytest.mark.parametrize("headers", [True, False])
def test_nothing_is_lost_where_everything_is_allowed(headers: bool) -> None:
    """400 requests of 100 ms: 7 round trips are the least with 64 in flight, 8 are taken."""
    budget = Budget("bucket", 100_000) if headers else None

    def latency(_: random.Random, __: int) -> float:
        return 0.1

    report = run([Pacer(64)], Service(requests=budget, latency=latency), [Job(750, 3000)] * 400)
    assert report.seconds <= 0.8 + 1e-6
    assert report.most_in_flight == 64
    assert not math.isinf(report.seconds)
