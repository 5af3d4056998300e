"""What is sent to Azure, what is not, and what is made of its refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from openai_server import OpenAIServer
from server_vectors import vectors_of
from server_witness import leaked, shown

from ellmental_embeddings import (
    AuthenticationFailed,
    ConfigurationError,
    EmbeddingError,
    EmbeddingFailed,
    QuotaExhausted,
    TextRejected,
    load_generator,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ellmental_embeddings import EmbeddingGenerator

    Load = Callable[..., EmbeddingGenerator]


TEXTS = [f"text {number}" for number in range(40)]


@pytest.mark.parametrize("version", ["2023-05-15", "2024-10-21", "v1", "preview"])
def test_every_version_embeds(server: OpenAIServer, load: Load, version: str) -> None:
    """Dated or not: the right vectors, in batches, each text paid for once, by api-key."""
    with load(AZURE_OPENAI_VERSION=version, BATCH_SIZE=16) as generator:
        result = generator.embed(TEXTS)
    expected = vectors_of("text-embedding-3-small", TEXTS, None)
    np.testing.assert_allclose(result.vectors, expected, atol=1e-6)
    assert len(server.bill.requests) == 3
    assert not server.bill.paid_twice()
    for seen in server.bill.requests:
        assert seen.headers["api-key"] == server.key
        assert "authorization" not in seen.headers


def test_nothing_ambient_leaks_in(
    server: OpenAIServer, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables meant for OpenAI or for the SDK do not reach Azure, and never win."""
    for name in (
        "AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID",
        "OPENAI_ADMIN_KEY", "OPENAI_API_VERSION", "OPENAI_BASE_URL", "OPENAI_WEBHOOK_SECRET",
    ):  # fmt: skip
        monkeypatch.setenv(name, "ambient")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: ambient\nX-Team: ambient")
    with load() as generator:
        generator.embed(["a"])
    (seen,) = server.bill.requests
    assert not [name for name, value in seen.headers.items() if "ambient" in value]
    assert "ambient" not in seen.query.values()


GATEWAY_KEY = "apim-0123456789abcdef0123456789abcdef"


def test_a_gateways_headers_are_sent_along(server: OpenAIServer, load: Load) -> None:
    """AZURE_OPENAI_CUSTOM_HEADERS goes with every request, beside the resource's own key."""
    lines = f"Ocp-Apim-Subscription-Key: {GATEWAY_KEY}\n\n X-Team : search \n"
    with load(AZURE_OPENAI_CUSTOM_HEADERS=lines, BATCH_SIZE=16) as generator:
        generator.embed(TEXTS)
        assert GATEWAY_KEY not in repr(generator.settings)
    for seen in server.bill.requests:
        assert seen.headers["ocp-apim-subscription-key"] == GATEWAY_KEY
        assert seen.headers["x-team"] == "search"
        assert seen.headers["api-key"] == server.key


def test_a_gateways_key_may_be_the_only_one(load: Load) -> None:
    """A gateway that adds the resource's key by itself wants its own alone."""
    with OpenAIServer(key=None) as gateway:
        settings = {"AZURE_OPENAI_ENDPOINT": gateway.origin, "OPENAI_API_KEY": None}
        lines = f"Ocp-Apim-Subscription-Key: {GATEWAY_KEY}"
        with load(**settings, AZURE_OPENAI_CUSTOM_HEADERS=lines) as generator:
            generator.embed(["a"])
        (seen,) = gateway.bill.requests
    assert seen.headers["ocp-apim-subscription-key"] == GATEWAY_KEY
    assert not {"api-key", "authorization"} & set(seen.headers)


def test_a_gateways_key_is_never_shown(server: OpenAIServer, load: Load) -> None:
    """A gateway that repeats what it was sent shows nobody the key."""
    server.script.next("azure_wrong_key", message=f"Access denied: {GATEWAY_KEY} is no key")
    lines = f"Ocp-Apim-Subscription-Key: {GATEWAY_KEY}"
    with (
        load(AZURE_OPENAI_CUSTOM_HEADERS=lines) as generator,
        pytest.raises(AuthenticationFailed) as caught,
    ):
        generator.embed(["a"])
    assert not leaked(GATEWAY_KEY, shown(caught.value))


def test_the_space_is_openais(server: OpenAIServer, load: Load) -> None:
    """One model is one space, whether OpenAI or Azure serves it; the deployment's name is none."""
    spaces = {}
    for deployment, model in server.house.deployments.items():
        with load(OPENAI_MODEL=deployment) as generator:
            spaces[model] = generator.embed(["a"]).space
        with load_generator(
            "OPENAI",
            OPENAI_TYPE="openai",
            OPENAI_BASE_URL=server.url,
            OPENAI_API_KEY=server.key,
            OPENAI_MODEL=model,
        ) as generator:
            assert generator.embed(["a"]).space == spaces[model]
    assert {space.model for space in spaces.values()} == set(spaces)
    assert all(space.normalised for space in spaces.values())


def test_nothing_is_guessed_from_the_deployment(server: OpenAIServer, load: Load) -> None:
    """A deployment named like one model may serve another: width and model come from answers."""
    server.house.deployments = {"text-embedding-3-large": "text-embedding-ada-002"}
    with load(OPENAI_MODEL="text-embedding-3-large") as generator:
        assert generator.dimensions is None
        result = generator.embed(["a"])
    assert result.dimensions == 1536
    assert result.space.model == "text-embedding-ada-002"


@pytest.mark.parametrize("most", [1, 16])
def test_an_old_deployments_limit_is_learnt(server: OpenAIServer, load: Load, most: int) -> None:
    """From its refusal; all texts are embedded, none twice, and the limit holds from then on."""
    server.house.azure = _with_items(server, most)
    with load(BATCH_SIZE=40, EMBEDDING_MAX_CONCURRENCY=1) as generator:
        generator.embed(TEXTS)
        assert generator.limits.items == most
        before = len(server.bill.requests)
        generator.embed([f"more {text}" for text in TEXTS])
    refused = [seen for seen in server.bill.requests if seen.status != 200]
    assert len(refused) == 1
    assert not server.bill.paid_twice()
    assert len(server.bill.requests) - before == -(-40 // most)


def _with_items(server: OpenAIServer, most: int) -> Any:
    from dataclasses import replace

    return replace(server.house.azure, items=most)


def test_dimensions(server: OpenAIServer, load: Load) -> None:
    """Shortened where the model can; a model that refuses is asked without them, once."""
    with load(EMBEDDING_DIMENSIONS=256) as generator:
        assert generator.embed(["a"]).dimensions == 256
    server.forget()
    with load(OPENAI_MODEL="old-ada", EMBEDDING_DIMENSIONS=1536) as generator:
        assert generator.embed(["a"]).dimensions == 1536
        generator.embed(["b"])
    assert [seen.status for seen in server.bill.requests] == [400, 200, 200]
    server.forget()
    with (
        load(OPENAI_MODEL="old-ada", EMBEDDING_DIMENSIONS=256) as generator,
        pytest.raises(ConfigurationError, match="EMBEDDING_DIMENSIONS=256"),
    ):
        generator.embed(["a"])


REFUSALS: list[tuple[str, dict[str, Any], type[EmbeddingError], str]] = [
    ("azure_wrong_key", {}, AuthenticationFailed, "OPENAI_API_KEY.*AZURE_OPENAI_ENDPOINT"),
    ("azure_token", {}, AuthenticationFailed, "AZURE_OPENAI_SCOPE"),
    ("azure_no_role", {}, AuthenticationFailed, "Cognitive Services OpenAI User"),
    ("azure_firewall", {}, AuthenticationFailed, "this network"),
    ("azure_key_auth_disabled", {}, AuthenticationFailed, "USE_ACTIVE_DIRECTORY=True"),
    ("azure_deployment", {}, ConfigurationError, "OPENAI_MODEL=my-deployment"),
    ("azure_not_found", {}, ConfigurationError, "AZURE_OPENAI_VERSION=2024-10-21"),
    ("azure_chat_model", {}, ConfigurationError, "makes no embeddings"),
    ("azure_rate_limited", {"after": 86_400}, QuotaExhausted, "24 h"),
    ("azure_rate_limited", {"after": 86_400, "how": "text"}, QuotaExhausted, "24 h"),
]


@pytest.mark.parametrize(("fault", "arguments", "kind", "words"), REFUSALS)
def test_refusals(
    server: OpenAIServer,
    load: Load,
    *,
    fault: str,
    arguments: dict[str, Any],
    kind: type[EmbeddingError],
    words: str,
) -> None:
    """Each ends the call with one request, its kind of error and the remedy; no key is shown."""
    server.script.always(fault, **arguments)
    with load() as generator, pytest.raises(kind, match=words) as caught:
        generator.embed(["a"])
    assert len(server.bill.requests) == 1
    assert not leaked(server.key, shown(caught.value))


def test_the_content_filter_costs_one_text(server: OpenAIServer, load: Load) -> None:
    """A filtered text fails alone."""
    server.script.when("poison", "azure_filter")
    with load() as generator, pytest.raises(EmbeddingFailed) as caught:
        generator.embed([*TEXTS, "poison"])
    assert isinstance(caught.value.result.failed[40], TextRejected)
    assert list(caught.value.result.failed) == [40]


@pytest.mark.parametrize("how", ["seconds", "ms", "text", "date"])
def test_a_rate_limit_is_waited_out(server: OpenAIServer, load: Load, how: str) -> None:
    """Azure's 429 with each form of wait passes."""
    after = 1.0 if how in {"seconds", "date"} else 0.05
    server.script.next("azure_rate_limited", after=after, how=how)
    with load() as generator:
        assert generator.embed(["a"]).usage.retries == 1


def test_a_version_that_does_not_exist(load: Load) -> None:
    """The service's "Resource not found" becomes an error that names the version."""
    with (
        load(AZURE_OPENAI_VERSION="2031-01-01") as generator,
        pytest.raises(ConfigurationError, match="AZURE_OPENAI_VERSION=2031-01-01"),
    ):
        generator.embed(["a"])


def test_a_deployment_is_one_budget_whatever_token_asks(server: OpenAIServer, load: Load) -> None:
    """What one generator hears of the limit holds for one with another key, of that deployment."""
    other = {"OPENAI_API_KEY": "another-token-of-the-same-identity"}
    headers = {"AZURE_OPENAI_CUSTOM_HEADERS": "Ocp-Apim-Subscription-Key: another"}
    with (
        load() as first,
        load(**other) as renewed,
        load(OPENAI_MODEL="another-deployment") as elsewhere,
        load(**headers) as subscriber,
    ):
        first.embed(["text"])
        assert first.pace.requests_limit is not None
        assert renewed.pace.requests_limit == first.pace.requests_limit
        assert elsewhere.pace.requests_limit is None
        assert subscriber.pace.requests_limit is None
