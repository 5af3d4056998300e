"""``ellmental doctor --load``: what is measured, and what is said to be the limit."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from plugin_site import KEY, PluginSite, link_installed
from scripted import ScriptedBackend, scripted_generator

from ellmental_embeddings import Limits, Progress, RateLimited, RateStatus, Reply
from ellmental_embeddings.cli.load import measure
from ellmental_embeddings.engine import ledger

if TYPE_CHECKING:
    from ellmental_embeddings import Batch


def load_of(fault: Any, texts: int = 60, limits: Limits | None = None, **settings: Any) -> Any:
    """The measurement of a scripted service, a text a request."""
    generator, _ = scripted_generator(
        always=fault, limits=limits, settings={"BATCH_SIZE": 1, **settings}
    )
    with generator:
        return measure(generator, texts, lambda _: None)


async def slow(backend: ScriptedBackend, batch: Batch) -> None:
    """20 ms."""
    await asyncio.sleep(0.02)


async def limited(backend: ScriptedBackend, batch: Batch) -> Reply:
    """Ten requests a fifth of a second, as its headers say."""
    await asyncio.sleep(0.001)
    left = max(0, 9 - (len(backend.batches) - 1) % 10)
    rate = RateStatus(requests_limit=10, requests_left=left, requests_reset=0.2)
    return Reply(backend.right(batch).vectors, tokens=7, rate=rate)


async def generous(backend: ScriptedBackend, batch: Batch) -> Reply:
    """A tenth of a second; its headers allow more than is ever sent."""
    await asyncio.sleep(0.1)
    rate = RateStatus(requests_limit=3000, requests_left=2990, requests_reset=60.0)
    return Reply(backend.right(batch).vectors, tokens=7, rate=rate)


async def crowded(backend: ScriptedBackend, batch: Batch) -> None:
    """More than three at a time are refused."""
    if backend.in_flight > 3:
        raise RateLimited(retry_after=0.0)
    await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("fault", "how", "limit"),
    [
        (slow, {"EMBEDDING_MAX_CONCURRENCY": 2}, "EMBEDDING_MAX_CONCURRENCY=2: so many were"),
        (slow, {"limits": Limits(concurrency=2)}, "the generator: it works on 2 requests at a"),
        (limited, {}, "the rate limit of the service: "),
        (crowded, {}, "refusals: the service refused "),
        (generous, {"texts": 30, "EMBEDDING_RPM": 15}, "EMBEDDING_RPM=15: "),
        (slow, {"texts": 1}, "the load: 1 request was too few"),
    ],
    ids=["max concurrency", "generator", "headers", "refusals", "settings", "too few"],
)
def test_what_limits_it(
    fault: Any, how: dict[str, Any], limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thing that can hold a service back is named, with what to do about it.

    A minute is short here.
    """
    monkeypatch.setattr(ledger, "MINUTE", 0.2)
    monkeypatch.setattr(ledger, "_MARGIN", 0.0)
    assert load_of(fault, **how).limit.startswith(limit)


def test_what_is_measured() -> None:
    """Percentiles are those of requests, rates leave out the start, tokens are the service's."""
    load = load_of(slow, EMBEDDING_MAX_CONCURRENCY=4)
    assert (load.texts, load.requests, load.retries, load.failed) == (60, 60, 0, 0)
    p50, p90, p99, most = (load.latency[name] for name in ("p50", "p90", "p99", "max"))
    assert 0.02 <= p50 <= p90 <= p99 <= most
    assert load.texts_per_second == pytest.approx(load.requests_per_second)
    assert 0 < load.texts_per_second <= 4 / 0.02 * 1.05
    assert load.tokens_per_second > load.texts_per_second * 40
    lines = dict(load.lines())
    assert load.start_left_out
    assert "not known" not in lines["sustained"]
    assert "rate, its start included" not in lines
    assert lines["load"].startswith("60 texts in 60 requests, ")
    assert "allowed" not in lines


def test_answers_that_come_together_tell_of_no_rate() -> None:
    """What was sent at once comes back at once: then the rate is that of the whole load."""
    generator, _ = scripted_generator(always=generous, settings={"BATCH_SIZE": 1})
    with generator:
        generator.embed(["first"])
        load = measure(generator, 30, lambda _: None)
    assert not load.start_left_out
    assert load.texts_per_second == pytest.approx(30 / load.seconds)
    assert load.texts_per_second <= 300
    lines = dict(load.lines())
    assert lines["sustained"] == "not known: give --load more texts"
    assert lines["rate, its start included"].endswith(" tokens/min")
    assert "in a longer run" not in lines


def test_what_the_service_says_it_allows_is_shown() -> None:
    """As the headers said it, and for how long it lasts where a short load did not meet it."""
    load = load_of(limited)
    lines = dict(load.lines())
    assert lines["allowed"].startswith("10 requests per window")
    assert "in a longer run" not in lines  # the limit was met: the rate is what it allows
    pace = {**load.pace, "requests_limit": 3000, "waited_for_budget": 0.0}
    quick = {"texts_per_second": 600.0, "requests_per_second": 300.0, "tokens_per_second": None}
    said = dict(replace(load, start_left_out=True, pace=pace, **quick).lines())["in a longer run"]
    assert said == "the requests allowed last 10.0 s; where they are a minute's, 100.0 texts/s"


def test_texts_are_new_ones_and_progress_is_told() -> None:
    """No cache can know them; whoever watches sees the last one."""
    seen: list[Progress] = []
    generator, backend = scripted_generator()
    with generator:
        for _ in range(2):
            measure(generator, 70, seen.append)
    assert len(set(backend.sent)) == 140
    assert seen[-1].ended
    assert seen[-1].texts == 70


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> PluginSite:
    """A site with TINY."""
    folder = tmp_path_factory.mktemp("load")
    made = PluginSite(folder, link_installed(folder / "installed"))
    made.add_tiny()
    return made


def test_doctor_loads_for_real(site: PluginSite) -> None:
    """In words on request, as numbers with --json; a load of nothing is a mistake."""
    tiny = {"EMBEDDING_GENERATOR": "TINY", "TINY_KEY": KEY}
    words = site.run("doctor", "--load", "200", env=tiny)
    assert words.returncode == 0, words.stderr
    assert [line.split(": ")[0] for line in words.stdout.splitlines()[-4:]] == [
        "ok   load", "ok   latency", "ok   sustained", "ok   limited by"
    ]  # fmt: skip
    numbers = site.run("doctor", "--load", "200", "--json", env=tiny)
    (measured,) = [row["measured"] for row in json.loads(numbers.stdout) if row["measured"]]
    assert measured["texts"] == 200
    assert set(measured["latency"]) == {"p50", "p90", "p99", "max"}
    assert site.run("doctor", "--load", "0", env=tiny).returncode == 2
