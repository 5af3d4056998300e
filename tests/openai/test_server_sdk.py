"""The stand-in seen by the real openai package: it must be what the protocols say servers are."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from openai_server import KEY, OpenAIServer
from server_vectors import vector_of, vectors_of

import openai

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SMALL = "text-embedding-3-small"


@pytest.fixture
def client(server: OpenAIServer) -> Iterator[openai.OpenAI]:
    """The SDK's own client, without retries."""
    with openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as made:
        yield made


def azure(server: OpenAIServer, **arguments: Any) -> openai.AzureOpenAI:
    """The SDK's client for dated Azure paths."""
    given = {"api_key": server.key, "api_version": "2024-10-21", **arguments}
    return openai.AzureOpenAI(azure_endpoint=server.origin, max_retries=0, **given)


@pytest.mark.parametrize("dimensions", [None, 3, 256])
@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_vectors_are_those_of_vector_of(
    client: openai.OpenAI, encoding: str, dimensions: int | None
) -> None:
    """Both encodings, with and without dimensions, carry the function's vectors."""
    asked: dict[str, Any] = {"encoding_format": encoding, "dimensions": dimensions or openai.omit}
    reply = client.embeddings.create(model=SMALL, input=["a", "ü"], **asked)
    spelled: list[Any] = [row.embedding for row in reply.data]
    if encoding == "base64":
        spelled = [np.frombuffer(base64.b64decode(row), "<f4") for row in spelled]
    expected = vectors_of(SMALL, ["a", "ü"], dimensions)
    assert np.array_equal(np.array(spelled, np.float32), expected)
    assert np.allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-6)
    assert (reply.model, reply.usage.total_tokens) == (SMALL, 2)


def test_headers_of_an_answer(client: openai.OpenAI) -> None:
    """Rate limits and request id come as OpenAI sends them."""
    raw = client.embeddings.with_raw_response.create(model=SMALL, input="a")
    assert raw.headers["x-ratelimit-limit-requests"] == "3000"
    assert raw.headers["x-ratelimit-remaining-tokens"] == "999999"
    assert raw.headers["x-ratelimit-reset-requests"] == "20ms"
    assert str(raw.request_id).startswith("req_")


LONG = "x" * 4 * 8193
REFUSALS: list[tuple[str, dict[str, Any], type[openai.APIStatusError], str, str | None]] = [
    ("empty list", {"input": []}, openai.BadRequestError, "'$.input' is invalid", None),
    ("empty text", {"input": ["a", ""]}, openai.BadRequestError, "'$.input' is invalid", None),
    ("2049", {"input": ["a"] * 2049}, openai.BadRequestError, "'$.input' is invalid", None),
    ("long", {"input": ["a", LONG]}, openai.BadRequestError, "Invalid 'input[1]': maximum", None),
    ("total", {"input": ["x" * 30_000] * 41}, openai.BadRequestError, "300000 tokens per", None),
    ("model", {"model": "x"}, openai.NotFoundError, "The model `x` does not", "model_not_found"),
    ("chat", {"model": "gpt-4"}, openai.PermissionDeniedError, "You are not allowed", None),
    (
        "ada dimensions",
        {"model": "text-embedding-ada-002", "dimensions": 1536},
        openai.BadRequestError,
        "does not support specifying dimensions",
        None,
    ),
    ("wide", {"dimensions": 1537}, openai.BadRequestError, "Invalid value for 'dimensions'", None),
]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(row[1], row[2:]) for row in REFUSALS],
    ids=[row[0] for row in REFUSALS],
)
def test_refusals_as_in_the_transcripts(
    server: OpenAIServer,
    client: openai.OpenAI,
    asked: dict[str, Any],
    expected: tuple[type[openai.APIStatusError], str, str | None],
) -> None:
    """Each broken limit gives the class, the message and the code of the real service, unpaid."""
    error, message, code = expected
    with pytest.raises(error) as caught:
        client.embeddings.create(**{"model": SMALL, "input": ["a"], **asked})
    assert type(caught.value) is error
    assert message in caught.value.message
    assert caught.value.code == code
    assert not server.bill.paid


def test_keys_are_checked(server: OpenAIServer) -> None:
    """A wrong key is a 401 that repeats both its ends, as the real one does."""
    with (
        openai.OpenAI(base_url=server.url, api_key="sk-wrong-0123456789", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError, match=r"sk-wrong.*6789") as caught,
    ):
        client.embeddings.create(model=SMALL, input="a")
    assert caught.value.code == "invalid_api_key"


def test_azure_dated_path(server: OpenAIServer) -> None:
    """A deployment's vectors are its model's; 2,048 inputs are fine, 2,049 are named."""
    with azure(server) as client:
        reply = client.embeddings.create(model="my-deployment", input=["a"])
        assert np.allclose(reply.data[0].embedding, vector_of(SMALL, "a"))
        with pytest.raises(openai.BadRequestError, match="max number of inputs is 2048"):
            client.embeddings.create(model="my-deployment", input=["a"] * 2049)
    assert server.bill.requests[0].path == "/openai/deployments/my-deployment/embeddings"


AZURE_REFUSALS: list[tuple[str, dict[str, Any], str, type[openai.APIStatusError], str | None]] = [
    ("key", {"api_key": "wrong"}, "my-deployment", openai.AuthenticationError, "401"),
    (
        "token",
        {"api_key": None, "azure_ad_token": "eyJ.no"},
        "my-deployment",
        openai.AuthenticationError,
        None,
    ),
    ("version", {"api_version": "2020-01-01"}, "my-deployment", openai.NotFoundError, "404"),
    ("empty version", {"api_version": ""}, "my-deployment", openai.NotFoundError, "404"),
    ("deployment", {}, "x", openai.NotFoundError, "DeploymentNotFound"),
]


@pytest.mark.parametrize(
    ("arguments", "deployment", "error", "code"),
    [row[1:] for row in AZURE_REFUSALS],
    ids=[row[0] for row in AZURE_REFUSALS],
)
def test_azure_refusals_as_in_the_transcripts(
    server: OpenAIServer,
    arguments: dict[str, Any],
    deployment: str,
    error: type[openai.APIStatusError],
    code: str | None,
) -> None:
    """Wrong key, token, version and deployment give Azure's statuses and codes."""
    with azure(server, **arguments) as client, pytest.raises(error) as caught:
        client.embeddings.create(model=deployment, input=["a"])
    assert caught.value.code == code


@pytest.mark.parametrize("header", ["authorization", "api-key"])
def test_azure_v1_path_takes_the_key_either_way(server: OpenAIServer, header: str) -> None:
    """The version-less API takes the key as Bearer and as api-key."""
    key = KEY if header == "authorization" else "unused"
    added = {} if header == "authorization" else {"api-key": KEY}
    with openai.OpenAI(
        base_url=f"{server.origin}/openai/v1/", api_key=key, default_headers=added, max_retries=0
    ) as client:
        reply = client.embeddings.create(model="my-deployment", input=["a"])
    assert np.allclose(reply.data[0].embedding, vector_of(SMALL, "a"))


PROFILES: list[tuple[str, Callable[[openai.OpenAI], object], type[openai.APIStatusError], str]] = [
    (
        "tei",
        lambda client: client.embeddings.create(model="any", input=["a"] * 33),
        openai.UnprocessableEntityError,
        "batch size 33 > maximum allowed batch size 32",
    ),
    (
        "tei",
        lambda client: client.embeddings.create(model="any", input=["a"], dimensions=9999),
        openai.UnprocessableEntityError,
        "`dimensions` should be smaller",
    ),
    (
        "vllm",
        lambda client: client.embeddings.create(model="standin-embed", input="a", dimensions=8),
        openai.BadRequestError,
        "does not support matryoshka representation",
    ),
    (
        "old_vllm",
        lambda client: client.embeddings.create(model="x", input="a"),
        openai.NotFoundError,
        "The model `x` does not exist.",
    ),
    (
        "ollama",
        lambda client: client.embeddings.create(model="x", input="a"),
        openai.NotFoundError,
        'model "x" not found',
    ),
    (
        "lmstudio",
        lambda client: client.embeddings.create(model="x", input="a"),
        openai.NotFoundError,
        "Model not found: x",
    ),
    (
        "fastapi",
        lambda client: client.embeddings.create(model="standin-embed", input=["a"] * 2049),
        openai.UnprocessableEntityError,
        "List should have at most 2048 items",
    ),
    (
        "llamacpp",
        lambda client: client.embeddings.create(model="any", input="a" * 4096),
        openai.InternalServerError,
        "input is too large to process",
    ),
]


@pytest.mark.parametrize(
    ("profile", "call", "error", "message"), PROFILES, ids=[f"{row[0]}" for row in PROFILES]
)
def test_profiles_refuse_in_their_own_words(
    profile: str,
    call: Callable[[openai.OpenAI], object],
    error: type[openai.APIStatusError],
    message: str,
) -> None:
    """Each imitated server's status and wording reaches the SDK."""
    with (
        OpenAIServer(profile) as server,
        openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client,
        pytest.raises(error) as caught,
    ):
        call(client)
    assert message in str(caught.value.response.text.replace('\\"', '"'))


def test_profiles_embed_alike() -> None:
    """Whatever is imitated, a text's vector is the same; LM Studio answers floats regardless."""
    for profile in ("openai", "vllm", "tei", "ollama", "lmstudio", "infinity", "llamacpp"):
        with (
            OpenAIServer(profile) as server,
            openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client,
        ):
            reply = client.embeddings.create(
                model="standin-embed", input=["a"], encoding_format="base64"
            )
        row: Any = reply.data[0].embedding
        assert isinstance(row, list) == (profile == "lmstudio")
        got = row if isinstance(row, list) else np.frombuffer(base64.b64decode(row), "<f4")
        assert np.allclose(got, vector_of("standin-embed", "a"))
