"""Faults that no retry helps: the right error at once, its remedy, one request, no key shown."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from server_witness import assert_right, embed, leaked, shown, texts_of

from ellmental_embeddings import (
    AuthenticationFailed,
    BadReply,
    ConfigurationError,
    EmbeddingError,
    EmbeddingFailed,
    QuotaExhausted,
    RateLimited,
    TextRejected,
    TextTooLong,
    Unavailable,
)

if TYPE_CHECKING:
    from openai_server import OpenAIServer

Row = tuple[str, dict[str, Any], type[EmbeddingError], list[str]]

HOPELESS: list[Row] = [
    ("wrong_key", {}, AuthenticationFailed, ["401", "OPENAI_API_KEY"]),
    ("no_key", {}, AuthenticationFailed, ["401", "OPENAI_API_KEY"]),
    ("missing_scope", {}, AuthenticationFailed, ["model.request", "OPENAI_API_KEY"]),
    ("model_forbidden", {}, ConfigurationError, ["OPENAI_MODEL"]),
    ("country", {}, AuthenticationFailed, ["Country, region, or territory"]),
    ("model_not_found", {}, ConfigurationError, ["OPENAI_MODEL"]),
    ("insufficient_quota", {}, QuotaExhausted, ["quota", "credit"]),
    ("payment", {}, QuotaExhausted, ["402", "credit"]),
    ("rate_limited", {"after": 86_400}, QuotaExhausted, ["24 h"]),
    ("teapot", {}, ConfigurationError, ["418", "teapot"]),
    ("html", {"status": 404}, ConfigurationError, ["OPENAI_BASE_URL"]),
    ("body", {"status": 405}, ConfigurationError, ["OPENAI_BASE_URL"]),
    ("error_in_200", {"code": 401}, AuthenticationFailed, ["OPENAI_API_KEY"]),
    ("wrong_key", {"style": "bare"}, AuthenticationFailed, ["OPENAI_API_KEY"]),
    ("wrong_key", {"style": "unwrapped"}, AuthenticationFailed, ["OPENAI_API_KEY"]),
    ("wrong_key", {"style": "fastapi"}, AuthenticationFailed, ["OPENAI_API_KEY"]),
    ("wrong_key", {"style": "gateway"}, AuthenticationFailed, ["OPENAI_API_KEY"]),
    ("model_not_found", {"style": "integer_code"}, ConfigurationError, ["OPENAI_MODEL"]),
    ("model_not_found", {"style": "old_vllm"}, ConfigurationError, ["OPENAI_MODEL"]),
    ("insufficient_quota", {"style": "gateway"}, QuotaExhausted, ["credit"]),
]


def _id(row: Row) -> str:
    return "-".join([row[0], *map(str, row[1].values())])


@pytest.mark.parametrize(("fault", "arguments", "kind", "words"), HOPELESS, ids=map(_id, HOPELESS))
def test_what_nothing_helps_ends_the_call_at_once(
    server: OpenAIServer,
    caplog: pytest.LogCaptureFixture,
    *,
    fault: str,
    arguments: dict[str, Any],
    kind: type[EmbeddingError],
    words: list[str],
) -> None:
    """One request, nothing paid; the error says what is wrong and which variable to look at."""
    caplog.set_level(logging.DEBUG)
    server.script.always(fault, **arguments)
    with pytest.raises(kind) as caught:
        embed(server, texts_of(3))
    assert type(caught.value) is kind
    for word in words:
        assert word in str(caught.value)
    assert len(server.bill.requests) == 1
    assert not server.bill.paid
    assert not leaked(server.key, shown(caught.value), caplog.text)


@pytest.mark.usefixtures("quick_retries")
def test_a_page_is_asked_about_once_more(server: OpenAIServer) -> None:
    """A page in place of the first answer may be a hiccup; two in a row are a wrong address."""
    server.script.next("html")
    assert_right(embed(server, texts_of(3)), texts_of(3))
    server.forget()
    server.script.always("html")
    with pytest.raises(ConfigurationError, match=r"Sign in.*OPENAI_BASE_URL"):
        embed(server, texts_of(3))
    assert len(server.bill.requests) == 2
    assert not server.bill.paid


def test_a_hopeless_answer_stops_the_other_batches(server: OpenAIServer) -> None:
    """Of many batches no more are sent than were in flight, and the others' vectors are kept."""
    texts = texts_of(400)
    server.script.when("text number 100:", "insufficient_quota")
    with pytest.raises(QuotaExhausted) as caught:
        embed(server, texts, BATCH_SIZE=10, EMBEDDING_MAX_CONCURRENCY=4)
    assert len(server.bill.requests) <= 20
    assert caught.value.result is not None
    assert len(caught.value.result) - len(caught.value.result.failed) >= 70


REJECTED: list[Row] = [
    ("invalid_input", {}, TextRejected, ["$.input"]),
    ("empty_input", {}, TextRejected, ["empty"]),
    ("too_long_old", {}, TextTooLong, ["8192 tokens", "Shorten"]),
    ("input_too_large", {}, TextTooLong, ["too large", "Shorten"]),
    ("context_size", {"style": "integer_code"}, TextTooLong, ["context size"]),
    ("invalid_input", {"style": "fastapi"}, TextRejected, ["$.input"]),
    ("azure_filter", {}, TextRejected, ["filter"]),
    ("nan", {}, BadReply, ["text 37: its vector has NaN"]),
    ("dropped", {}, BadReply, ["0 vectors"]),
    ("not_base64", {}, BadReply, []),
    ("misaligned", {}, BadReply, []),
    ("null_embedding", {}, BadReply, []),
    ("token_level", {}, BadReply, []),
    ("one_narrow", {}, BadReply, ["1535", "1536"]),
]


@pytest.mark.parametrize(("fault", "arguments", "kind", "words"), REJECTED, ids=map(_id, REJECTED))
def test_one_bad_text_costs_itself_alone(
    server: OpenAIServer,
    *,
    fault: str,
    arguments: dict[str, Any],
    kind: type[EmbeddingError],
    words: list[str],
) -> None:
    """Of 64 texts one fails with its reason; the other 63 are right and paid for once."""
    texts = texts_of(64)
    texts[37] = "poison"
    server.script.when("poison", fault, **arguments)
    with pytest.raises(EmbeddingFailed) as caught:
        embed(server, texts)
    result = caught.value.result
    assert list(result.failed) == [37]
    assert isinstance(result.failed[37], kind)
    for word in words:
        assert word in str(caught.value)
    assert not server.bill.never_paid(text for text in texts if text != "poison")
    assert not server.bill.paid_twice()
    assert len(server.bill.requests) <= 20
    assert not leaked(server.key, shown(caught.value))


def test_a_text_that_the_service_names_is_not_searched_for(server: OpenAIServer) -> None:
    """``input[3]`` costs one request more, not a search by halves."""
    texts = texts_of(50)
    texts[3] = "word " * 8200
    with pytest.raises(EmbeddingFailed, match="text 3: ") as caught:
        embed(server, texts)
    assert isinstance(caught.value.result.failed[3], TextTooLong)
    assert len(server.bill.requests) == 2
    assert not server.bill.paid_twice()


BROKEN = [
    "empty_data", "null_data", "without_data", "null", "list", "string", "cut_json", "dropped",
    "doubled", "extra", "wild_index", "nan", "infinite", "not_base64", "misaligned",
    "null_embedding", "token_level",
]  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_service_that_always_answers_nonsense(server: OpenAIServer, fault: str) -> None:
    """Ends within few requests, with an error that says what is wrong with the answers."""
    server.script.always(fault)
    with pytest.raises((EmbeddingFailed, BadReply, ConfigurationError)) as caught:
        embed(server, texts_of(16), EMBEDDING_MAX_CONCURRENCY=2)
    assert len(server.bill.requests) <= 64
    assert len(str(caught.value)) > 20
    assert not leaked(server.key, shown(caught.value))


DOWN: list[Row] = [
    ("overloaded", {}, Unavailable, ["503", "overloaded"]),
    ("server_error", {}, Unavailable, ["500"]),
    ("html", {"status": 503, "page": "error"}, Unavailable, ["503", "Unavailable"]),
    ("html", {"status": 502, "page": "error"}, Unavailable, ["502"]),
    ("reset", {}, Unavailable, ["OPENAI_BASE_URL"]),
    ("reset_midway", {}, Unavailable, ["OPENAI_BASE_URL"]),
    ("cut_body", {}, Unavailable, ["OPENAI_BASE_URL", "in the middle of an answer"]),
    ("hang", {}, Unavailable, ["EMBEDDING_TIMEOUT"]),
    ("hang_midway", {}, Unavailable, ["EMBEDDING_TIMEOUT"]),
    ("drip", {"seconds": 3}, Unavailable, ["EMBEDDING_TIMEOUT"]),
    ("rate_limited", {"how": "nothing"}, RateLimited, ["Rate limit reached"]),
    ("error_in_200", {}, Unavailable, ["Provider returned error"]),
    ("backend", {"style": "unwrapped"}, Unavailable, ["424"]),
]


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize(("fault", "arguments", "kind", "words"), DOWN, ids=map(_id, DOWN))
def test_a_service_that_stays_down(
    server: OpenAIServer,
    *,
    fault: str,
    arguments: dict[str, Any],
    kind: type[EmbeddingError],
    words: list[str],
) -> None:
    """Tried again until the deadline, which the error names; never by two owners of retries."""
    server.script.always(fault, **arguments)
    with pytest.raises(kind) as caught:
        embed(server, texts_of(2), EMBEDDING_TIMEOUT=0.2, EMBEDDING_DEADLINE=0.5)
    for word in [*words, "EMBEDDING_DEADLINE"]:
        assert word in str(caught.value)
    assert 2 <= len(server.bill.requests) <= 60
    retries = {seen.headers.get("x-stainless-retry-count", "0") for seen in server.bill.requests}
    assert retries == {"0"}
    assert not leaked(server.key, shown(caught.value))


@pytest.mark.parametrize("how", ["seconds", "ms", "text", "date"])
def test_a_wait_beyond_the_deadline_is_not_waited(server: OpenAIServer, how: str) -> None:
    """A service that asks for more time than there is gets one request, the user the reason."""
    server.script.always("rate_limited", after=400, how=how)
    with pytest.raises(RateLimited, match=r"asks to wait (400|39\d(\.\d+)?) s.*EMBEDDING_DEADLINE"):
        embed(server, ["a"], EMBEDDING_DEADLINE=5)
    assert len(server.bill.requests) == 1


def test_dimensions_that_the_model_refuses(server: OpenAIServer) -> None:
    """The error names EMBEDDING_DIMENSIONS, and at most one request was paid to be sure."""
    with pytest.raises(ConfigurationError, match="EMBEDDING_DIMENSIONS"):
        embed(server, ["a"], OPENAI_MODEL="text-embedding-ada-002", EMBEDDING_DIMENSIONS=256)
    assert len(server.bill.requests) <= 2


def test_a_key_in_the_place_of_the_model_is_in_no_log(
    server: OpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The line of a call names the model; a key that was pasted there is masked."""
    caplog.set_level(logging.INFO)
    server.script.always("model_not_found")
    with pytest.raises(ConfigurationError):
        embed(server, texts_of(3), OPENAI_MODEL=server.key)
    assert ", ********: ended by ConfigurationError" in caplog.text
    assert not leaked(server.key, caplog.text)
