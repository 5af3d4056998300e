"""STRATUS keeps its contract, also with a server that goes wrong."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence

import httpx
import pytest
from ellmental_embeddings import (
    BatchTooLarge,
    ConfigurationError,
    QuotaExhausted,
    RateStatus,
    TextTooLong,
    Unavailable,
    load_generator,
)
from ellmental_embeddings.testing import Answer, FaultServer, GeneratorContract, Request, Row

from ellmental_embeddings_stratus.budget import budget
from ellmental_embeddings_stratus.refusals import refusal


class TestStratus(GeneratorContract):
    """Every check of the kit. The methods say how Stratus speaks."""

    def settings(self) -> Mapping[str, object]:
        """What a user would set, and the kit's server in place of the service."""
        return {
            "EMBEDDING_GENERATOR": "STRATUS",
            "STRATUS_TOKEN": "test",
            "STRATUS_PROJECT": "demo",
            "STRATUS_URL": self.server.url,
        }

    def texts_of(self, request: Request) -> Sequence[tuple[str, str]] | None:
        """What a request wants embedded: for each text what the model is given."""
        if request.path != "/v3/projects/demo/models/stratus-2-small:encode":
            return None
        documents = request.json["documents"]
        return [(request.json["purpose"], document["body"]) for document in documents.values()]

    def reply(self, request: Request, rows: Sequence[Row]) -> object:
        """A good answer with these rows."""
        names = dict(enumerate(request.json["documents"]))
        documents = {
            names.get(row.index, f"d{row.index}"): {"vector": _spelled(row.vector)} for row in rows
        }
        return {"units": 10 * len(rows), "documents": documents}

    def wait_headers(self, seconds: float) -> Mapping[str, str]:
        """An ISO 8601 duration, in a header that no other service has."""
        return {"x-stratus-come-back": f"PT{seconds:g}S"}

    def error(self, status: int, message: str) -> object:
        """A refusal's body."""
        return {"status": status, "reason": message}


def _spelled(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def test_budget_of_the_headers() -> None:
    """What is left, of how much, and when it renews; nothing where nothing is said."""
    said = "calls=12/60;renews=PT20S, units=900/10000;renews=PT0.5S"
    assert budget({"x-stratus-budget": said}) == RateStatus(
        requests_left=12,
        requests_limit=60,
        requests_reset=20,
        tokens_left=900,
        tokens_limit=10000,
        tokens_reset=0.5,
    )
    for nonsense in ("calls=many", "calls=1/2;renews=PT1.2.3S", "calls=1/2;renews=PT.S"):
        assert budget({"x-stratus-budget": nonsense}) is None
    assert budget({}) is None


class Stratus(TestStratus):
    """The protocol again, with a budget in every answer, and documents that have problems."""

    __test__ = False

    def reply(self, request: Request, rows: Sequence[Row]) -> object:
        """One document is refused, the others are embedded."""
        body = super().reply(request, rows)
        assert isinstance(body, dict)
        for name, document in request.json["documents"].items():
            if "secret" in document["body"]:
                said = {"code": "refused", "message": "it holds a secret"}
                body["documents"][name] = {"problem": said}
            elif len(document["body"]) > 1000:
                body["documents"][name] = {"problem": {"code": "too-long"}}
        headers = {"x-stratus-budget": "calls=7/60;renews=PT60S"}
        return Answer(content=json.dumps(body).encode(), headers=headers)


def test_problems_cost_their_documents_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service answers 200 and says which documents it does not embed, and why."""
    with FaultServer(Stratus()) as server:
        server.width = 64
        monkeypatch.setenv("STRATUS_TOKEN", "a token")
        settings = {"STRATUS_PROJECT": "demo", "STRATUS_URL": server.url}
        with load_generator("STRATUS", **settings) as generator:
            texts = ["one", "a secret", "two", "long " * 300, "three"]
            result = generator.embed(texts, on_error="keep")
    assert sorted(result.failed) == [1, 3]
    assert "it holds a secret" in str(result.outcomes[1].error)
    assert isinstance(result.outcomes[3].error, TextTooLong)
    assert result.usage.tokens


@pytest.mark.parametrize(
    ("number", "kind"), [(402, QuotaExhausted), (413, BatchTooLarge), (418, ConfigurationError)]
)
def test_refusals_beyond_the_contract(number: int, kind: type[Exception]) -> None:
    """A budget that is spent, a request that is too large, and what nobody expects."""
    answer = httpx.Response(number, headers={"x-stratus-budget": "calls=0/60;renews=PT9S"})
    error = refusal(answer)
    assert type(error) is kind
    assert error.rate is not None
    assert error.rate.requests_left == 0


@pytest.mark.parametrize("url", ["localhost:9", "not an address", "http://[::1"])
def test_address_that_is_none_is_refused_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL that was mistyped is told of by its variable; nothing is tried again."""
    monkeypatch.setenv("STRATUS_TOKEN", "a token")
    with (
        load_generator("STRATUS", STRATUS_PROJECT="demo", STRATUS_URL=url) as generator,
        pytest.raises(ConfigurationError, match="STRATUS_URL"),
    ):
        generator.embed(["a text"])


def test_budget_is_heard_by_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the headers of a good answer say reaches the result."""
    with FaultServer(Stratus()) as server:
        server.width = 64
        monkeypatch.setenv("STRATUS_TOKEN", "a token")
        settings = {"STRATUS_PROJECT": "demo", "STRATUS_URL": server.url}
        with load_generator("STRATUS", **settings) as generator:
            generator.embed(["one"])
            assert (generator.pace.requests_left, generator.pace.requests_limit) == (7, 60)


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines", " "])
def test_key_that_no_header_can_hold_is_refused_at_once(key: str) -> None:
    """The message names the variable; it is no fault of the plugin."""
    with pytest.raises(ConfigurationError, match=r"STRATUS_TOKEN.* (no key has|blank)"):
        load_generator("STRATUS", STRATUS_PROJECT="demo", STRATUS_TOKEN=key)


def test_no_connection_names_the_host_and_its_variable() -> None:
    """Whoever mistyped the host sees what was asked for."""
    settings = {"STRATUS_PROJECT": "demo", "STRATUS_TOKEN": "a token", "EMBEDDING_DEADLINE": 0.1}
    with (
        load_generator("STRATUS", STRATUS_URL="http://127.0.0.1:9", **settings) as generator,
        pytest.raises(Unavailable, match=r"127\.0\.0\.1 \(STRATUS_URL\): "),
    ):
        generator.embed(["a text"])
