"""What is sent, and what is learnt from the first answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from openai_server import OpenAIServer
from server_tls import make_certificate
from server_vectors import vectors_of
from server_witness import SMALL, embed, load, texts_of

from ellmental_embeddings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_request_holds_what_is_needed(server: OpenAIServer) -> None:
    """Model, texts as UTF-8, base64; a bearer key; no compressed answers; the SDK's own name."""
    embed(server, ["größer 大"])
    (seen,) = server.bill.requests
    assert seen.body == {"model": SMALL, "input": ["größer 大"], "encoding_format": "base64"}
    assert seen.headers["authorization"] == f"Bearer {server.key}"
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["user-agent"].startswith("AsyncOpenAI/Python")
    assert int(seen.headers["content-length"]) == len(
        json.dumps(seen.body, ensure_ascii=False, separators=(",", ":")).encode()
    )


def test_organization_project_and_headers(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the environment as the SDK reads them, and from arguments; custom ones win over all."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: search\nX-Trace : on")
    embed(server, ["a"], OPENAI_PROJECT_ID="proj-1")
    (seen,) = server.bill.requests
    assert seen.headers["openai-organization"] == "org-1"
    assert seen.headers["openai-project"] == "proj-1"
    assert (seen.headers["x-team"], seen.headers["x-trace"]) == ("search", "on")
    server.forget()
    embed(server, ["a"], OPENAI_API_KEY="wrong", OPENAI_CUSTOM_HEADERS=_bearer(server.key))
    assert server.bill.requests[0].status == 200


def _bearer(key: str) -> str:
    return f"authorization: Bearer {key}"


def test_other_keys_do_not_leak(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyless server gets no key, whatever the SDK would find in the environment."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-secret")
    server.house.key = None
    embed(server, ["a"], OPENAI_API_KEY=None)
    assert "authorization" not in server.bill.requests[0].headers


def test_floats_when_asked(server: OpenAIServer) -> None:
    """OPENAI_ENCODING_FORMAT=float asks for floats, and reads them."""
    texts = texts_of(3)
    result = embed(server, texts, OPENAI_ENCODING_FORMAT="float")
    assert server.bill.requests[0].body is not None
    assert server.bill.requests[0].body["encoding_format"] == "float"
    np.testing.assert_allclose(result.vectors, vectors_of(SMALL, texts, None), atol=1e-6)


@pytest.mark.parametrize("argument", ["encoding_format", "dimensions"])
def test_a_refused_argument_is_left_out_from_then_on(argument: str) -> None:
    """One refusal, then never again; all texts right, none paid twice."""
    texts = texts_of(60)
    # Where both are refused at once the width must be the model's own.
    with OpenAIServer(refuses=(argument,)) as server:
        with load(
            server, BATCH_SIZE=10, EMBEDDING_DIMENSIONS=1536, EMBEDDING_MAX_CONCURRENCY=1
        ) as generator:
            result = generator.embed(texts)
        statuses = [seen.status for seen in server.bill.requests]
        assert statuses == [400] + [200] * 6
        assert not server.bill.paid_twice()
        np.testing.assert_allclose(result.vectors, vectors_of(SMALL, texts, None), atol=1e-6)


def test_dimensions_that_were_ignored_are_noticed() -> None:
    """A server that answers its own width all the same ends in an error, not in vectors."""
    with OpenAIServer("lmstudio") as server, pytest.raises(ConfigurationError, match="=256"):
        embed(server, ["a"], EMBEDDING_DIMENSIONS=256)


def test_dimensions_that_are_not_to_be_sent(server: OpenAIServer) -> None:
    """OPENAI_SEND_DIMENSIONS=false keeps them out; the width is checked all the same."""
    assert embed(server, ["a"], EMBEDDING_DIMENSIONS=1536, OPENAI_SEND_DIMENSIONS="false")
    assert "dimensions" not in (server.bill.requests[0].body or {})
    with pytest.raises(ConfigurationError, match="EMBEDDING_DIMENSIONS=256"):
        embed(server, ["a"], EMBEDDING_DIMENSIONS=256, OPENAI_SEND_DIMENSIONS="false")


def test_the_model_and_its_space(server: OpenAIServer) -> None:
    """Named as asked, without the suffix of answers; length 1 where the answer shows it."""
    result = embed(server, ["a"], OPENAI_MODEL="text-embedding-ada-002")
    assert result.space.model == "text-embedding-ada-002"
    assert result.space.normalised
    assert result.usage.tokens


def test_an_unknown_model_is_not_called_normalised(server: OpenAIServer) -> None:
    """What is not known of a model is not learnt from one answer."""
    assert embed(server, ["a"], OPENAI_MODEL="standin-embed").space.normalised is None


def test_connections_are_kept(server: OpenAIServer) -> None:
    """Many requests, few connections: as many as were in flight at most."""
    with load(server, BATCH_SIZE=1, EMBEDDING_MAX_CONCURRENCY=4) as generator:
        generator.embed(texts_of(60))
    assert len({seen.peer for seen in server.bill.requests}) <= 4


def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not trusted ends the call with the remedy; the remedy works."""
    context, certificate = make_certificate(tmp_path)
    with OpenAIServer(tls=context) as server:
        with pytest.raises(ConfigurationError, match=r"not trusted.*SSL_CERT_FILE"):
            embed(server, ["a"])
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert embed(server, ["a"]).dimensions == 1536


def test_too_many_dimensions_cost_nothing(server: OpenAIServer) -> None:
    """More than the model has: refused by the service, not asked again."""
    with pytest.raises(ConfigurationError, match="lower EMBEDDING_DIMENSIONS"):
        embed(server, ["a"], EMBEDDING_DIMENSIONS=4096)
    assert len(server.bill.requests) == 1


@pytest.fixture
def lines(tmp_path: Any) -> Iterator[str]:
    """Texts for a stream, one at a time."""
    return (f"line {number}" for number in range(500))


def test_a_stream(server: OpenAIServer, lines: Iterator[str]) -> None:
    """In order, each paid once."""
    with load(server, BATCH_SIZE=20, EMBEDDING_DIMENSIONS=8) as generator:
        parts = list(generator.stream(lines))
    vectors = np.concatenate([part.vectors for part in parts])
    expected = vectors_of(SMALL, [f"line {number}" for number in range(500)], 8)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert not server.bill.paid_twice()
