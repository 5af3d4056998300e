"""What headers and messages say about rates and waits."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from openai_server import OpenAIServer
from server_witness import embed

from ellmental_embeddings import RateStatus
from ellmental_embeddings.engine.pace import Pace
from ellmental_embeddings_openai import Asked, Endpoint
from ellmental_embeddings_openai.failures import failure
from ellmental_embeddings_openai.rates import duration, rate_status, retry_after
from ellmental_embeddings_openai.said import heard


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2ms", 0.002), ("20s", 20), ("6m0s", 360), ("19m45.394s", 1185.394), ("1h2m", 3720),
        ("1d", 86400), ("0s", 0), ("12", 12), ("1.5", 1.5), ("", None), ("soon", None),
        ("-1", None), ("inf", None), ("nan", None), (None, None),
    ],
)  # fmt: skip
def test_durations(text: str | None, seconds: float | None) -> None:
    """As OpenAI writes them, and plain seconds."""
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after-ms": "300", "retry-after": "60"}, "", 0.3),
        ({"retry-after": "2.5"}, "Please try again in 9s.", 2.5),
        ({"retry-after": "0"}, "Please try again in 2.812s.", 2.812),
        ({}, "Please try again in 6m0s. Visit", 360),
        ({}, "Please try again in 20ms.", 0.02),
        ({}, "Please retry after 2 seconds. Please go here", 2),
        ({}, "Please retry after 1 second.", 1),
        ({}, "Please retry after 86400 seconds.", 86400),
        ({}, "try again in 3 minutes", 180),
        ({}, "try again later", None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m2s"}, "", 62),
        ({"x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "1m2s"}, "", None),
        ({"retry-after": "soon"}, "", None),
    ],
)
def test_waits(headers: dict[str, str], message: str, seconds: float | None) -> None:
    """Milliseconds, seconds, the message, the reset of what is used up; in that order."""
    found = retry_after(headers, message)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_a_wait_until_a_date() -> None:
    """An HTTP date in the future is so many seconds; one that is over is none."""
    later = formatdate(time.time() + 30, usegmt=True)
    assert retry_after({"retry-after": later}) == pytest.approx(30, abs=2)
    assert retry_after({"retry-after": "Mon, 01 Jan 2024 00:00:00 GMT"}) is None


def test_date_without_a_zone_is_utc_wherever_the_machine_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """C's form of a date (RFC 9110, 5.6.7) names no zone, and means UTC."""
    later = time.asctime(time.gmtime(time.time() + 30))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert retry_after({"retry-after": later}) == pytest.approx(30, abs=2)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("retry-after", 1), ("x-ratelimit-reset-requests", 1), ("message", 1),
        ("retry-after", 1000), ("x-ratelimit-reset-requests", 1000), ("message", 1000),
        ("retry-after-ms", 1000),
    ],
)  # fmt: skip
def test_a_wait_until_a_time_since_1970(name: str, unit: int) -> None:
    """A number no one can mean as a wait is a time: so many seconds from now."""
    at = f"{(time.time() + 30) * unit:.0f}"
    headers = {name: at, "x-ratelimit-remaining-requests": "0"}
    message = f"Please retry after {at}" if name == "message" else ""
    assert retry_after(headers, message) == pytest.approx(30, abs=2)
    assert retry_after({"retry-after": "1700000000"}) is None  # over


def test_rate_limits() -> None:
    """All six headers are read; none is no status."""
    status = rate_status(
        {
            "x-ratelimit-limit-requests": "3000",
            "x-ratelimit-remaining-requests": "2999",
            "x-ratelimit-reset-requests": "20ms",
            "x-ratelimit-limit-tokens": "1000000",
            "x-ratelimit-remaining-tokens": "999994",
            "x-ratelimit-reset-tokens": "6m0s",
        }
    )
    assert status is not None
    assert (status.requests_limit, status.requests_left, status.requests_reset) == (
        3000,
        2999,
        0.02,
    )
    assert (status.tokens_limit, status.tokens_left, status.tokens_reset) == (
        1_000_000,
        999_994,
        360,
    )
    assert rate_status({"content-type": "application/json"}) is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 503])
@pytest.mark.parametrize("body", [b"{}", b"<html>busy</html>", b'{"error": {"message": "no"}}'])
def test_every_refusal_hands_its_limits_over(status: int, body: bytes) -> None:
    """Whatever a refusal means, what its headers say of rates goes to the engine with it."""
    headers = {"x-ratelimit-limit-tokens": "40000", "x-ratelimit-remaining-tokens": "17"}
    endpoint = Endpoint(service="Acme", url="http://acme.example/v1", model="m")
    error = failure(heard(status, headers, body), Asked(endpoint=endpoint, texts=3))
    assert error.rate == RateStatus(tokens_limit=40000, tokens_left=17)  # type: ignore[union-attr]


def test_a_refused_request_tells_the_engine_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the real SDK: the headers of a 429 reach the pace, with the wait it asks for."""
    told: list[tuple[RateStatus | None, float | None]] = []
    # The pace would keep what good answers say, and never be refused.
    monkeypatch.setattr(Pace, "answered", lambda *_: None)
    monkeypatch.setattr(
        Pace,
        "failed",
        lambda _, __, error: told.append((error.rate, error.retry_after)),
    )
    with OpenAIServer(rpm=1, window=0.2) as server:
        embed(server, ["one", "two"], BATCH_SIZE=1, EMBEDDING_MAX_CONCURRENCY=1)
    waits = [(rate, asked) for rate, asked in told if asked is not None]
    assert waits
    for rate, asked in waits:
        assert rate is not None
        assert (rate.requests_limit, rate.requests_left) == (1, 0)
        assert 0 < (asked or 0) < 1
