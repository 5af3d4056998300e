"""Every way a request can end, to the core's errors; and no part of a key in any of them."""

from __future__ import annotations

import ast
import json
import re
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx2
import openai.lib.azure
import pytest
from aiohttp import ClientHttpProxyError, RequestInfo
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

import openai
from ellmental_embeddings import (
    AuthenticationFailed,
    BadReply,
    BatchTooLarge,
    ConfigurationError,
    EmbeddingError,
    QuotaExhausted,
    RateLimited,
    TextRejected,
    TextTooLong,
    Unavailable,
)
from ellmental_embeddings_openai import Asked, Endpoint
from ellmental_embeddings_openai.exceptions import EXCEPTIONS, translated
from ellmental_embeddings_openai.failures import failure
from ellmental_embeddings_openai.said import heard

KEY = "sk-proj-W9fQ2xLr7TzKp4Ve8NbYc3HdGm6Ju1"
ENDPOINT = Endpoint(service="Acme", url="http://acme.example/v1", model="m", key=KEY)


def asked(**changes: Any) -> Asked:
    """A request of ten texts."""
    return Asked(**{"endpoint": ENDPOINT, "texts": 10, **changes})


def sdk_exceptions() -> set[str]:
    """Every exception class that the SDK defines, in whichever of its files.

    Read, not imported: some parts need packages that are not there, and there are a thousand.
    """
    bases: dict[str, set[str]] = {}
    for file in Path(openai.__path__[0]).rglob("*.py"):
        source = file.read_text("utf-8")
        if "Error" not in source and "Exception" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                named = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
                bases.setdefault(node.name, set()).update(named)
    found: set[str] = set()
    while more := {
        name
        for name, above in bases.items()
        if name not in found
        and any(base in found or base.endswith(("Error", "Exception")) for base in above)
    }:
        found |= more
    return found


def test_every_exception_of_the_sdk_is_mapped() -> None:
    """A class that a new SDK brings must be given a meaning; its private ones never come out."""
    names = {name for name in sdk_exceptions() if not name.startswith("_")}
    assert {"OpenAIError", "APITimeoutError", "RateLimitError", "OAuthError"} <= names
    assert len(names) > 30
    assert names - EXCEPTIONS.keys() == set()


def response(status: int, body: bytes = b"", **headers: str) -> httpx2.Response:
    """A response as the SDK hands it over."""
    request = httpx2.Request("POST", "http://acme.example/v1/embeddings")
    return httpx2.Response(status, content=body, headers=headers, request=request)


STATUS = {
    openai.BadRequestError: (400, TextRejected),
    openai.AuthenticationError: (401, AuthenticationFailed),
    openai.PermissionDeniedError: (403, AuthenticationFailed),
    openai.NotFoundError: (404, ConfigurationError),
    openai.ConflictError: (409, Unavailable),
    openai.UnprocessableEntityError: (422, TextRejected),
    openai.RateLimitError: (429, RateLimited),
    openai.InternalServerError: (500, Unavailable),
    openai.APIStatusError: (418, ConfigurationError),
}


@pytest.mark.parametrize(("kind", "expected"), STATUS.items())
def test_classes_by_status(
    kind: type[openai.APIStatusError], expected: tuple[int, type[EmbeddingError]]
) -> None:
    """With no word in the body the status alone decides."""
    error = kind("x", response=response(expected[0]), body=None)
    assert type(translated(error, asked())) is expected[1]


REQUEST = httpx2.Request("POST", "http://acme.example/v1/embeddings")


def caused(error: Exception, *causes: BaseException) -> Exception:
    """An error with a chain of causes."""
    outer: BaseException = error
    for cause in causes:
        outer.__cause__ = cause
        outer = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (openai.APIConnectionError(request=REQUEST), Unavailable, "OPENAI_BASE_URL"),
        (
            caused(openai.APITimeoutError(REQUEST), httpx2.ReadTimeout("")),
            Unavailable,
            "EMBEDDING_TIMEOUT",
        ),
        (
            caused(openai.APITimeoutError(REQUEST), httpx2.ConnectTimeout("slow host")),
            Unavailable,
            "slow host",
        ),
        (
            caused(
                openai.APIConnectionError(request=REQUEST),
                ssl.SSLCertVerificationError("self-signed certificate"),
            ),
            ConfigurationError,
            "self-signed.*SSL_CERT_FILE",
        ),
        (
            caused(
                openai.APIConnectionError(request=REQUEST),
                httpx2.ConnectError("x"),
                ssl.SSLError("[SSL: WRONG_VERSION_NUMBER]"),
            ),
            ConfigurationError,
            "http://",
        ),
        (
            caused(openai.APITimeoutError(REQUEST), socket.gaierror(socket.EAI_NONAME, "unknown")),
            ConfigurationError,
            "no such host",
        ),
        (
            caused(openai.APITimeoutError(REQUEST), socket.gaierror(socket.EAI_AGAIN, "later")),
            Unavailable,
            "later",
        ),
        (
            caused(openai.APIConnectionError(request=REQUEST), httpx2.UnsupportedProtocol("u")),
            ConfigurationError,
            "OPENAI_BASE_URL",
        ),
        (
            caused(
                openai.APIConnectionError(request=REQUEST),
                httpx2.ProxyError("407 Proxy Authentication Required"),
            ),
            ConfigurationError,
            "^the proxy.*407.*HTTPS_PROXY",
        ),
        (openai.OpenAIError("Missing credentials."), ConfigurationError, "OPENAI_API_KEY"),
        (openai.lib.azure.MutuallyExclusiveAuthError(), ConfigurationError, "OPENAI_API_KEY"),
        (ValueError("No embedding data received"), BadReply, "No embedding data"),
        (AttributeError("'str' object has no attribute 'data'"), BadReply, "'str' object"),
        (UnicodeEncodeError("ascii", "é", 0, 1, "x"), ConfigurationError, "OPENAI_API_KEY"),
        (RuntimeError("Event loop is closed"), Unavailable, "loop is closed"),
        (ConnectionResetError("reset"), Unavailable, "reset"),
        (KeyError("what nobody thought of"), BadReply, "KeyError"),
    ],
    ids=repr,
)
def test_what_is_no_status(error: Exception, kind: type[EmbeddingError], words: str) -> None:
    """Transport faults, and the exceptions that are not OpenAIErrors."""
    result = translated(error, asked())
    assert type(result) is kind
    assert re.search(words, str(result))


def test_a_proxy_that_refuses_to_connect() -> None:
    """As aiohttp tells it: the proxy's variable is named, and not the server's."""
    url = URL("http://proxy.example:3128")
    request = RequestInfo(url, "CONNECT", CIMultiDictProxy(CIMultiDict()), url)
    told = ClientHttpProxyError(request, (), status=407, message="Proxy Auth")
    error = translated(caused(openai.APIConnectionError(request=REQUEST), told), asked())
    assert type(error) is ConfigurationError
    assert "HTTPS_PROXY" in str(error)
    assert "OPENAI_BASE_URL" not in str(error)


def test_a_host_that_was_there_before_is_waited_for() -> None:
    """A name server that forgets it during a long run does not end the run."""
    error = caused(openai.APITimeoutError(REQUEST), socket.gaierror(socket.EAI_NONAME, "unknown"))
    assert type(translated(error, asked(answered=True))) is Unavailable


def refused(status: int, body: Any, headers: dict[str, str] | None = None, **request: Any) -> Any:
    """What a refusal becomes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return failure(heard(status, headers or {}, content), asked(**request))


LIMITS = [
    ({"error": {"message": "Too many inputs. The max number of inputs is 1. We hope"}}, 400, 1),
    ({"error": {"message": "Too many inputs. The max number of inputs is 4. We hope"}}, 400, 4),
    ({"message": "batch size 10 > maximum allowed batch size 8", "type": "Validation"}, 422, 8),
    ({"detail": [{"loc": ["body", "input"], "msg": "List should have at most 5 items"}]}, 422, 5),
    ({"error": {"message": "array too long. Expected maximum length 7, but got 10"}}, 400, 7),
    ({"error": {"message": "Too many inputs. The max number of inputs is 16."}}, 400, None),
    (b"Payload Too Large", 413, None),
]


@pytest.mark.parametrize(("body", "status", "items"), LIMITS)
def test_limits_of_inputs(body: Any, status: int, items: int | None) -> None:
    """The number is taken from the words; one above what was sent says nothing."""
    error = refused(status, body)
    assert type(error) is BatchTooLarge
    assert error.items == items


@pytest.mark.parametrize(
    "body",
    [
        {"message": "Invalid 'input': maximum request size is 300000 tokens per request."},
        {"message": "Requested 416735 tokens, max 300000 tokens per request"},
    ],
)
def test_limits_of_tokens(body: dict[str, Any]) -> None:
    """Today's and last year's words."""
    error = refused(400, {"error": body})
    assert type(error) is BatchTooLarge
    assert error.tokens == 300_000


TOO_LONG = [
    (400, {"error": {"message": "Invalid 'input[3]': maximum input length is 8192 tokens."}}, 3),
    (400, {"error": {"message": "Invalid 'input[30]': maximum input length is 8192."}}, None),
    (400, {"error": {"message": "This model's maximum context length is 8192"}}, None),
    (400, {"object": "error", "message": "This model's maximum context length is 512"}, None),
    (422, {"message": "Input validation error: `inputs` must have less than 512 tokens."}, None),
    (500, {"error": {"code": 500, "message": "input is too large to process. increase"}}, None),
    (400, {"error": {"code": 400, "message": "x", "type": "exceed_context_size_error"}}, None),
    (500, {"error": {"message": "the input length exceeds the context length"}}, None),
    (
        422,
        {"detail": [{"loc": ["body", "input", 2], "msg": "should have at most 9 characters"}]},
        2,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "index"), TOO_LONG)
def test_texts_that_are_too_long(status: int, body: dict[str, Any], index: int | None) -> None:
    """Told by words, in every server's; llama.cpp's 500 is no outage."""
    error = refused(status, body)
    assert type(error) is TextTooLong
    assert error.index == index


ODD = [
    {"error": {"message": "x", "index": "3"}},
    {"error": {"message": "x", "index": True}},
    {"error": {"message": "x", "index": -1}},
    {"error": {"message": "x", "index": 10}},
    {"error": {"message": "x", "index": [3]}},
    {"detail": [{"loc": ["body", "messages", 3], "msg": "x"}]},
    {"detail": [{"loc": ["body", "input", True], "msg": "x"}]},
    {"detail": [{"loc": ["body", 3], "msg": "x"}]},
    {"detail": [{"loc": 3, "msg": "x"}]},
    b"[" * 200_000,
    b'{"error":' * 900 + b"1" + b"}" * 900,
    b'{"message":' * 5_000 + b"1" + b"}" * 5_000,
    b"9" * 5_000,
]


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_odd_refusals_are_still_refusals(body: Any) -> None:
    """Whatever stands where the place of a text should, and however deep, nothing is raised."""
    error = refused(400, body)
    assert type(error) is TextRejected
    assert error.index is None


@pytest.mark.parametrize(
    "body",
    [
        {"error": None, "message": "no such door"},
        {"error": True, "message": "no such door"},
        {"success": False, "errors": [{"code": 7003, "message": "no such door"}]},
    ],
)
def test_words_are_told_wherever_they_stand(body: Any) -> None:
    """A refusal without a word leaves its reader with a status."""
    assert "no such door" in str(refused(400, body))


@pytest.mark.parametrize(
    "loc", [["body", "input", 2], ["inputs", 2], ["body", "input", "list[list[int]]", 2, 0]]
)
def test_a_place_that_fastapi_names(loc: list[Any]) -> None:
    """The first number below the texts."""
    assert refused(422, {"detail": [{"loc": loc, "msg": "x"}]}).index == 2


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "rate_limit_exceeded"}, RateLimited),
        ({"code": None, "type": "rate_limit_error"}, RateLimited),
        ({"code": "invalid_api_key"}, AuthenticationFailed),
        ({"code": "x", "type": "authentication_error"}, AuthenticationFailed),
        ({"code": "insufficient_quota"}, QuotaExhausted),
        ({"type": "server_error"}, Unavailable),
        ({"type": "Overloaded"}, Unavailable),
        ({"type": "overloaded_error"}, Unavailable),
        ({"code": "model_not_found"}, ConfigurationError),
        ({"code": 429}, RateLimited),
        ({"code": "odd", "type": "503"}, Unavailable),
    ],
)
def test_errors_within_a_200(error: dict[str, Any], kind: type[EmbeddingError]) -> None:
    """The word in place of the status decides like the status."""
    assert type(refused(200, {"error": {"message": "no", **error}})) is kind


def test_invalid_input_of_too_many() -> None:
    """OpenAI's words for 2,049 inputs and for an empty one are the same."""
    body = {"error": {"message": "'$.input' is invalid. Please check the API reference"}}
    assert refused(400, body, texts=2049).items == 2048
    assert type(refused(400, body)) is TextRejected


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "words"),
    [
        (301, {"location": "https://x.example/v1?k=1"}, b"", ConfigurationError, "x.example/v1)"),
        (308, {}, b"", ConfigurationError, "OPENAI_BASE_URL"),
        (200, {}, b"<html><title>Sign in</title>", ConfigurationError, "Sign in"),
        (200, {}, b"<html><title>Preparing Space</title>", Unavailable, "Preparing"),
        (503, {"content-type": "text/html"}, b"<h1>busy</h1>", Unavailable, "503"),
        (404, {}, b"<html>nginx", ConfigurationError, "/v1"),
        (200, {}, {"error": {"code": 402, "message": "no"}}, QuotaExhausted, "credit"),
        (200, {}, {"error": "Unexpected endpoint or method."}, ConfigurationError, "/v1"),
        (200, {}, {"error": {"message": "odd"}}, BadReply, "odd"),
        (407, {}, b"<html>Sign in", ConfigurationError, "HTTPS_PROXY"),
        (501, {}, {"error": {"message": "x"}}, ConfigurationError, "OPENAI_BASE_URL"),
        (500, {}, {"error": "this model does not support embeddings"}, ConfigurationError, "MODEL"),
        (404, {}, {"error": 'model "m" not found, try pulling it'}, ConfigurationError, "MODEL"),
        (429, {}, {"message": "Model is overloaded", "type": "Overloaded"}, RateLimited, "over"),
        (402, {}, {"error": ["credits used up"]}, QuotaExhausted, "credits used up"),
    ],
)
def test_other_refusals(
    status: int, headers: dict[str, str], body: Any, kind: type[EmbeddingError], words: str
) -> None:
    """Pages, redirects, gateways, other servers' words."""
    error = refused(status, body, headers)
    assert type(error) is kind
    assert words in str(error)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"error": {"code": "insufficient_quota", "message": "no"}}, {"content-type": "text/html"}),
        ({"error": "insufficient_quota"}, {}),
        ({"detail": {"code": "insufficient_quota", "message": "no"}}, {}),
    ],
)
def test_a_quota_that_a_gateway_wraps_is_a_quota(body: Any, headers: dict[str, str]) -> None:
    """Whatever shape or content type it comes in, waiting does not help."""
    assert isinstance(refused(429, body, headers), QuotaExhausted)


def test_no_part_of_a_key_in_where_it_leads() -> None:
    """A redirect that repeats the key, or a word glued to a part of it, shows neither."""
    location = f"https://login.example/{KEY[8:24]}/x"
    told = str(refused(302, {"error": f"user_{KEY[8:24]}"}, {"location": location}))
    assert KEY[8:24] not in told
