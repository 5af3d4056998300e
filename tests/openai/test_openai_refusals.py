"""Refusals that look alike and mean different things: quotas, rates, limits, arguments."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from ellmental_embeddings import (
    AuthenticationFailed,
    BatchTooLarge,
    ConfigurationError,
    EmbeddingError,
    QuotaExhausted,
    RateLimited,
    TextRejected,
    Unavailable,
)
from ellmental_embeddings_openai import Asked, Endpoint
from ellmental_embeddings_openai.failures import ArgumentRefused, failure
from ellmental_embeddings_openai.mask import masked
from ellmental_embeddings_openai.said import heard

KEY = "sk-proj-W9fQ2xLr7TzKp4Ve8NbYc3HdGm6Ju1"
ENDPOINT = Endpoint(service="Acme", url="http://acme.example/v1", model="m", key=KEY)


def asked(**changes: Any) -> Asked:
    """A request of ten texts."""
    return Asked(**{"endpoint": ENDPOINT, "texts": 10, **changes})


def refused(status: int, body: Any, headers: dict[str, str] | None = None, **request: Any) -> Any:
    """What a refusal becomes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return failure(heard(status, headers or {}, content), asked(**request))


def test_optional_arguments() -> None:
    """Asked again without them where they were sent; else an error that names the variable."""
    body = {"error": {"message": "This model does not support specifying dimensions."}}
    again = refused(400, body, arguments=frozenset({"dimensions"}))
    assert isinstance(again, ArgumentRefused)
    assert again.argument == "dimensions"
    assert "EMBEDDING_DIMENSIONS" in str(again.otherwise)
    body = {"error": {"message": "extra fields not permitted", "param": "encoding_format"}}
    again = refused(422, body, arguments=frozenset({"encoding_format", "dimensions"}))
    assert again.argument == "encoding_format"


PASSING = [
    "CUDA error: tensor dimensions mismatch",
    "dimensions of a tensor exceed what fits: out of memory",
    "internal error; request was {'encoding_format': 'base64'}",
    "Server busy: at most 4 concurrent requests",
    "worker died: at most 4 inputs left",
    "worker died: prompt too long in queue",
]


@pytest.mark.parametrize("message", PASSING)
@pytest.mark.parametrize("status", [500, 503])
def test_a_server_in_trouble_teaches_nothing(status: int, message: str) -> None:
    """Whatever words a 500 holds, no argument is dropped and no limit learnt."""
    arguments = frozenset({"encoding_format", "dimensions"})
    error = refused(status, {"error": {"message": message}}, arguments=arguments)
    assert type(error) is Unavailable


def test_a_service_that_has_answered_takes_its_arguments() -> None:
    """A refusal that names them after good answers is about something else."""
    body = {"error": {"message": "odd: {'encoding_format': 'base64', 'dimensions': 8}"}}
    arguments = frozenset({"encoding_format", "dimensions"})
    error = refused(400, body, arguments=arguments, answered=True)
    assert type(error) is TextRejected


@pytest.mark.parametrize(
    "words", ["4 concurrent requests", "4 concurrent inputs", "4 requests", "4 tokens", "4 keys"]
)
def test_a_limit_of_something_else(words: str) -> None:
    """Only a number of texts is one of texts."""
    assert type(refused(400, {"message": f"at most {words} at a time"})) is TextRejected


@pytest.mark.parametrize("words", ["4 inputs", "4 input texts", "4 per batch", "4 in one request"])
def test_a_limit_of_texts(words: str) -> None:
    """However it is said."""
    error = refused(400, {"message": f"there may be at most {words}."})
    assert type(error) is BatchTooLarge
    assert error.items == 4


QUOTA = "You exceeded your current quota, please check your plan. "


@pytest.mark.parametrize(
    ("message", "code", "headers", "kind"),
    [
        (f"{QUOTA}Please retry in 12.3s.", None, {}, RateLimited),
        (f"{QUOTA}{'Quota of x. ' * 50}Please retry in 12.3s.", 429, {}, RateLimited),
        (QUOTA, None, {"retry-after": "20"}, RateLimited),
        (QUOTA, None, {"retry-after": "7200"}, QuotaExhausted),
        (QUOTA, None, {}, QuotaExhausted),
        (QUOTA, "insufficient_quota", {"retry-after": "20"}, QuotaExhausted),
        ("slow down", None, {"retry-after": "in 20 s"}, RateLimited),
    ],
)
def test_quotas_and_rates(
    message: str, code: Any, headers: dict[str, str], kind: type[EmbeddingError]
) -> None:
    """A quota that is back within the hour is a rate, unless it is named for good."""
    # A time since 1970 is made here: the list above is, minutes before its turn.
    since_1970 = {"in 20 s": f"{time.time() + 20:.0f}"}
    given = {name: since_1970.get(value, value) for name, value in headers.items()}
    error = refused(429, {"error": {"message": message, "code": code}}, given)
    assert type(error) is kind
    assert not isinstance(error, RateLimited) or 10 < (error.retry_after or 0) < 21


def test_a_page_in_the_middle_of_a_run_is_waited_for() -> None:
    """A proxy's hiccup after good answers is no wrong address."""
    page = b"<html><title>Oops</title></html>"
    assert type(refused(200, page, answered=True)) is Unavailable


def test_a_page_with_status_400_is_of_no_api() -> None:
    """Plain http sent to a port of https is no fault of the texts, each of which was blamed."""
    page = b"<title>400 The plain HTTP request was sent to HTTPS port</title>"
    error = refused(400, page)
    assert type(error) is ConfigurationError
    assert "OPENAI_BASE_URL" in str(error)
    assert type(refused(400, page, answered=True)) is TextRejected


@pytest.mark.parametrize(
    "message",
    [
        f"Incorrect API key provided: {KEY}. You can find your API key at https://x.",
        f"Incorrect API key provided: {KEY[:8]}{'*' * 20}{KEY[-4:]}. You can",
        f"Incorrect API key provided: {KEY[:6]}...{KEY[-4:]}",
        "Incorrect API key provided: sk-ab***.",
        f"bad key '{KEY[:12]}' in header",
        f'token "{KEY[10:]}" unknown',
    ],
)
def test_no_part_of_a_key_is_shown(message: str) -> None:
    """Stars or not, whole or cut: four letters of it in a row are too many."""
    error = refused(401, {"error": {"message": message}})
    assert type(error) is AuthenticationFailed
    shown = str(error)
    assert not [KEY[at : at + 4] for at in range(3, len(KEY) - 3) if KEY[at : at + 4] in shown]
    assert "OPENAI_API_KEY" in shown


def test_masking_leaves_other_words_alone() -> None:
    """A message stays readable."""
    text = "The model `text-embedding-3-small` does not exist. See https://platform.openai.com/x."
    assert masked(text, [KEY, "s", ""]) == text
