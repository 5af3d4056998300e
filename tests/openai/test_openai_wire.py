"""Below the SDK: its first request is repeated, with other bodies and nothing else changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from server_witness import assert_right, load, texts_of

from ellmental_embeddings import AuthenticationFailed, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai_server import OpenAIServer


def test_repeated_requests_are_the_sdks(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same place, same headers as the SDK's own request, but for the length of the body."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    with load(server, OPENAI_CUSTOM_HEADERS="X-Team: search") as generator:
        for count in (1, 2, 3):
            texts = texts_of(count)
            assert_right(generator.embed(texts), texts)
    first, *others = server.bill.requests
    assert len(others) == 2
    for seen in others:
        assert (seen.method, seen.path, seen.query) == (first.method, first.path, first.query)
        assert _but_length(seen.headers) == _but_length(first.headers)
        assert int(seen.headers["content-length"]) > int(first.headers["content-length"])


def _but_length(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "content-length"}


@pytest.mark.parametrize(
    "fault",
    ["gzip", "chunked", "goodbye", "server_error", "rate_limited", "reset", "cut_json", "html"],
)
def test_whatever_happens_to_a_repeated_request(server: OpenAIServer, fault: str) -> None:
    """It is read, or sent again, as the SDK's own would be."""
    texts = texts_of(4)
    with load(server) as generator:
        assert_right(generator.embed(texts), texts)
        server.script.next(fault)
        assert_right(generator.embed(texts_of(5)), texts_of(5))
    assert not server.script.pending


def test_a_key_that_is_revoked_in_between(server: OpenAIServer) -> None:
    """A refusal of a repeated request says as much as that of the first."""
    with load(server) as generator:
        generator.embed(["a"])
        server.house.key = "sk-another-one"
        with pytest.raises(AuthenticationFailed, match="401") as caught:
            generator.embed(["b"])
    assert server.key not in str(caught.value)


def test_a_redirect_of_a_repeated_request(server: OpenAIServer) -> None:
    """It is not followed: the key would go along."""
    with load(server) as generator:
        generator.embed(["a"])
        server.script.next("redirect", to="http://elsewhere.invalid/v1")
        with pytest.raises(ConfigurationError, match="sends on to another address"):
            generator.embed(["b"])


def test_a_proxy_is_asked_every_time(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes through a proxy stays the SDK's: nothing is repeated past it."""
    proxy = server.url.removesuffix("/v1")
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    with load(server, OPENAI_BASE_URL="http://embeddings.invalid/v1") as generator:
        for count in (1, 2):
            texts = texts_of(count)
            assert_right(generator.embed(texts), texts)
    hosts = [seen.headers["host"] for seen in server.bill.requests]
    assert hosts == ["embeddings.invalid"] * 2
