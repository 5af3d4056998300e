"""Azure's own refusals, limits and tokens, through the whole product with OPENAI_TYPE=azure."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from openai_server import OpenAIServer
from server_tls import make_certificate
from server_witness import SMALL, assert_right, leaked, shown, texts_of

from ellmental_embeddings import (
    AuthenticationFailed,
    ConfigurationError,
    EmbeddingError,
    EmbeddingFailed,
    Embeddings,
    QuotaExhausted,
    RateLimited,
    TextRejected,
    TextTooLong,
    load_generator,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytest.importorskip("ellmental_embeddings_azure")

TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.QzRtWk5vVHg3.UjlwWGtMMnZCcQ"


def ask(server: OpenAIServer, texts: Sequence[str], **settings: Any) -> Embeddings:
    """Embed through a deployment of the stand-in."""
    given: dict[str, Any] = {
        "OPENAI_TYPE": "azure",
        "AZURE_OPENAI_ENDPOINT": server.origin,
        "AZURE_OPENAI_VERSION": "2024-10-21",
        "OPENAI_API_KEY": server.key,
        "OPENAI_MODEL": "my-deployment",
        "EMBEDDING_DEADLINE": 20,
        **settings,
    }
    with load_generator("OPENAI", **given) as generator:
        return generator.embed(texts)


REFUSALS: list[tuple[str, dict[str, Any], type[EmbeddingError], list[str]]] = [
    ("azure_wrong_key", {}, AuthenticationFailed, ["OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"]),
    ("azure_token", {}, AuthenticationFailed, ["OPENAI_API_KEY", "token"]),
    ("azure_no_role", {}, AuthenticationFailed, ["Cognitive Services OpenAI User"]),
    ("azure_firewall", {}, AuthenticationFailed, ["Firewall", "network"]),
    (
        "azure_key_auth_disabled",
        {},
        AuthenticationFailed,
        ["AZURE_OPENAI_USE_ACTIVE_DIRECTORY=True"],
    ),
    ("azure_deployment", {}, ConfigurationError, ["OPENAI_MODEL=my-deployment", "deployment"]),
    (
        "azure_not_found",
        {},
        ConfigurationError,
        ["AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_VERSION=2024-10-21"],
    ),
    ("azure_chat_model", {}, ConfigurationError, ["OPENAI_MODEL=my-deployment", "gpt-4o"]),
    ("azure_rate_limited", {"after": 86_400}, QuotaExhausted, ["24 h"]),
]


@pytest.mark.parametrize(
    ("fault", "arguments", "kind", "words"), REFUSALS, ids=[row[0] for row in REFUSALS]
)
@pytest.mark.parametrize("version", ["2024-10-21", "v1"])
def test_what_nothing_helps_ends_the_call_at_once(
    server: OpenAIServer,
    caplog: pytest.LogCaptureFixture,
    *,
    fault: str,
    arguments: dict[str, Any],
    kind: type[EmbeddingError],
    words: list[str],
    version: str,
) -> None:
    """One request, nothing paid; the error names the variable and what to do."""
    caplog.set_level(logging.DEBUG)
    server.script.always(fault, **arguments)
    with pytest.raises(kind) as caught:
        ask(server, texts_of(3), AZURE_OPENAI_VERSION=version)
    assert type(caught.value) is kind
    for word in words:
        assert word.replace("2024-10-21", version) in str(caught.value)
    assert len(server.bill.requests) == 1
    assert not leaked(server.key, shown(caught.value), caplog.text)


@pytest.mark.parametrize(
    ("settings", "kind", "word"),
    [
        ({"OPENAI_API_KEY": "wrong-key-7Q2"}, AuthenticationFailed, "OPENAI_API_KEY"),
        ({"OPENAI_MODEL": "other"}, ConfigurationError, "OPENAI_MODEL=other"),
        ({"AZURE_OPENAI_VERSION": "2021-01-01"}, ConfigurationError, "AZURE_OPENAI_VERSION=2021"),
        ({"AZURE_OPENAI_VERSION": "latest"}, ConfigurationError, "AZURE_OPENAI_VERSION"),
        ({"AZURE_OPENAI_ENDPOINT": "127.0.0.1"}, ConfigurationError, "AZURE_OPENAI_ENDPOINT"),
        (
            {"AZURE_OPENAI_USE_ACTIVE_DIRECTORY": True, "OPENAI_API_KEY": "wrong-key-7Q2"},
            AuthenticationFailed,
            "sent as an Entra ID token; a key of the resource needs False",
        ),
    ],
    ids=["key", "deployment", "version", "no version", "endpoint", "key for token"],
)
def test_wrong_settings(
    server: OpenAIServer, settings: dict[str, Any], kind: type[EmbeddingError], word: str
) -> None:
    """What the service checks for itself, as it says it."""
    with pytest.raises(kind, match=word):
        ask(server, ["a"], **settings)
    assert len(server.bill.requests) <= 1
    assert not server.bill.paid


@pytest.mark.parametrize("version", ["2023-05-15", "2024-10-21", "v1", "preview"])
def test_every_form_of_address(server: OpenAIServer, version: str) -> None:
    """Dated and version-less paths give the deployment's vectors; the space is its model's."""
    result = ask(server, texts_of(20), AZURE_OPENAI_VERSION=version, BATCH_SIZE=5)
    assert_right(result, texts_of(20))
    assert result.space.model == SMALL
    dated = version.startswith("20")
    sent = server.bill.requests[0].query.get("api-version")
    assert sent == (None if version == "v1" else version)
    assert ("deployments" in server.bill.requests[0].path) == dated


def test_a_pasted_target_uri(server: OpenAIServer) -> None:
    """Endpoint, deployment and version are taken out of it."""
    pasted = f"{server.origin}/openai/deployments/my-deployment/embeddings?api-version=2024-10-21"
    result = ask(
        server,
        ["a"],
        AZURE_OPENAI_ENDPOINT=pasted,
        OPENAI_MODEL=None,
        AZURE_OPENAI_VERSION=None,
    )
    assert_right(result, ["a"])


@pytest.mark.parametrize("limit", [1, 16])
def test_a_limit_that_is_learnt_from_its_refusal(limit: int) -> None:
    """Old deployments take 1 or 16 inputs and say so: learnt once, none paid twice."""
    texts = texts_of(64)
    with OpenAIServer(items=limit) as server:
        assert_right(ask(server, texts, EMBEDDING_MAX_CONCURRENCY=2), texts)
        assert not server.bill.paid_twice()
        statuses = [seen.status for seen in server.bill.requests]
        assert statuses.count(400) <= 2
        assert statuses.count(200) <= 2 * 64 // limit


def test_a_text_that_the_filter_refuses(server: OpenAIServer) -> None:
    """It costs itself alone, and says that it was the filter."""
    server.script.when("poison", "azure_filter")
    texts = [*texts_of(30), "poison"]
    with pytest.raises(EmbeddingFailed, match="filter") as caught:
        ask(server, texts)
    assert_right(caught.value.result, texts, failed=[30])
    assert type(caught.value.result.failed[30]) is TextRejected
    assert not server.bill.paid_twice()


def test_a_text_that_is_too_long(server: OpenAIServer) -> None:
    """It costs itself alone."""
    texts = [*texts_of(30), "word " * 9000]
    with pytest.raises(EmbeddingFailed) as caught:
        ask(server, texts)
    assert_right(caught.value.result, texts, failed=[30])
    assert isinstance(caught.value.result.failed[30], TextTooLong)


def test_a_wait_beyond_the_deadline_is_not_waited(server: OpenAIServer) -> None:
    """Azure asks for 55 seconds; with 5 to spend the user hears it at once."""
    server.script.always("azure_rate_limited", after=55)
    with pytest.raises(RateLimited, match=r"55 s.*EMBEDDING_DEADLINE"):
        ask(server, ["a"], EMBEDDING_DEADLINE=5)
    assert len(server.bill.requests) == 1


def test_a_token_in_the_key_variable(server: OpenAIServer) -> None:
    """USE_ACTIVE_DIRECTORY with OPENAI_API_KEY: the token is sent as Bearer, and not shown."""
    directory = {"AZURE_OPENAI_USE_ACTIVE_DIRECTORY": True, "OPENAI_API_KEY": TOKEN}
    with pytest.raises(AuthenticationFailed, match="token") as caught:
        ask(server, ["a"], **directory)
    assert not leaked(TOKEN, shown(caught.value))
    server.tokens.accept(TOKEN)
    assert_right(ask(server, ["a"], **directory), ["a"])
    assert server.bill.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert "api-key" not in server.bill.requests[-1].headers


@pytest.mark.parametrize("kind", ["app service", "imds"])
def test_a_managed_identity(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Without a key the real azure-identity fetches one token for many requests."""
    pytest.importorskip("azure.identity")
    variables = server.identity_variables() if kind == "app service" else server.imds_variables()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    texts = texts_of(40)
    result = ask(
        server, texts, OPENAI_API_KEY=None, AZURE_OPENAI_USE_ACTIVE_DIRECTORY=True, BATCH_SIZE=4
    )
    assert_right(result, texts)
    assert len(server.tokens.asked) == 1
    assert all(str(seen.key).startswith("eyJ") for seen in server.bill.requests)


def test_a_token_that_is_revoked_midway(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 401 for a token that was good: another is fetched once, nothing is lost."""
    pytest.importorskip("azure.identity")
    for name, value in server.identity_variables().items():
        monkeypatch.setenv(name, value)
    with load_generator(
        "OPENAI",
        OPENAI_TYPE="azure",
        AZURE_OPENAI_ENDPOINT=server.origin,
        AZURE_OPENAI_VERSION="v1",
        OPENAI_MODEL="my-deployment",
        AZURE_OPENAI_USE_ACTIVE_DIRECTORY=True,
        BATCH_SIZE=5,
    ) as generator:
        assert_right(generator.embed(["first"]), ["first"])
        server.tokens.expire()
        texts = texts_of(40)
        assert_right(generator.embed(texts), texts)
    assert len(server.tokens.asked) == 2
    assert not server.bill.paid_twice()


def test_no_identity_at_all(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no credential gives a token: what was tried, and the two ways out."""
    pytest.importorskip("azure.identity")
    for name, value in server.identity_variables().items():
        monkeypatch.setenv(name, value)
    server.tokens.status = 400
    with pytest.raises(AuthenticationFailed, match="OPENAI_API_KEY") as caught:
        ask(server, ["a"], OPENAI_API_KEY=None, AZURE_OPENAI_USE_ACTIVE_DIRECTORY=True)
    assert "AZURE_CLIENT_ID" in str(caught.value)
    assert not server.bill.requests
    # What azure-identity logs besides goes where the user sends it, not to a bare console.
    assert logging.getLogger("azure.identity").handlers


def test_a_path_that_is_no_gateways(server: OpenAIServer) -> None:
    """An endpoint with a path that leads nowhere: the whole address, in Azure's own terms."""
    with pytest.raises(ConfigurationError) as caught:
        ask(server, ["a"], AZURE_OPENAI_ENDPOINT=f"{server.origin}/some/path")
    assert "There is no Azure OpenAI at http://" in str(caught.value)
    assert "/some/path/openai/deployments/my-deployment/embeddings" in str(caught.value)
    assert "/v1" not in str(caught.value)


def test_client_credentials_from_the_environment(
    server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AZURE_CLIENT_ID, _TENANT_ID and _CLIENT_SECRET: a token over https, and no secret shown."""
    pytest.importorskip("azure.identity")
    context, certificate = make_certificate(tmp_path)
    directory: dict[str, Any] = {
        "OPENAI_API_KEY": None,
        "AZURE_OPENAI_USE_ACTIVE_DIRECTORY": True,
    }
    with OpenAIServer(tls=context) as issuer:
        server.house.tokens = issuer.tokens
        for name, value in issuer.environment_variables(certificate).items():
            monkeypatch.setenv(name, value)
        assert_right(ask(server, ["a"], **directory), ["a"])
        assert issuer.tokens.asked == ["/adfs/oauth2/v2.0/token"]
        monkeypatch.setenv("AZURE_CLIENT_SECRET", "wrong-7Qx2ZpLm9Rt4")
        with pytest.raises(AuthenticationFailed, match="AADSTS7000215") as caught:
            ask(server, ["a"], **directory)
        assert not leaked("7Qx2ZpLm9Rt4", shown(caught.value))


def test_variables_of_others_do_not_leak_in(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an ambient token nor OpenAI's organization reaches Azure."""
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "ambient-token")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "ambient-key")
    monkeypatch.setenv("OPENAI_ORG_ID", "ambient-org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "ambient-project")
    assert_right(ask(server, ["a"]), ["a"])
    (seen,) = server.bill.requests
    assert seen.headers["api-key"] == server.key
    assert "authorization" not in seen.headers
    assert "ambient" not in repr(seen)


def test_a_redirect_to_another_origin(server: OpenAIServer) -> None:
    """The key does not follow it."""
    with OpenAIServer(key=None) as other:
        server.script.always("redirect", to=f"{other.origin}/openai/v1/embeddings")
        with pytest.raises(ConfigurationError, match="AZURE_OPENAI_ENDPOINT"):
            ask(server, ["a"])
        assert not other.bill.requests
