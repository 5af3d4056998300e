"""What is sent without the SDK is what the SDK sends; what needs the SDK still goes through it."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys
from contextlib import suppress
from inspect import unwrap
from typing import TYPE_CHECKING, Any

import pytest
from server_witness import SMALL, assert_right, load, texts_of

import openai
from ellmental_embeddings import AuthenticationFailed, ConfigurationError
from ellmental_embeddings_openai import Endpoint, pattern, wire
from ellmental_embeddings_openai.proxied import Proxied

if TYPE_CHECKING:
    from openai_server import OpenAIServer
    from server_bill import Seen

KEY = {"Authorization": "Bearer sk-of-the-user"}
ODD = {"api-version": "2024-10-21", "q": "a b+c&d=e/f%20~*'(é)", "none": "", "a[b]": "?"}

REQUESTS: dict[str, tuple[dict[str, str], dict[str, Any], float]] = {
    "key": (KEY, {}, 60.0),
    "no key": ({}, {}, 60.0),
    "another authorization": ({"authorization": "Basic dTpw"}, {}, 60.0),
    "Azure's": ({"api-key": "sk-azure"}, {"query": {"api-version": "2024-10-21"}}, 60.0),
    "query": (KEY, {"query": ODD}, 60.0),
    "organization": (KEY | {"OpenAI-Organization": "org-1", "OpenAI-Project": "p"}, {}, 60.0),
    "custom": (KEY | {"X-Team": "search", "x-empty": ""}, {}, 60.0),
    "the SDK's own": (
        KEY | {"user-agent": "acme/1", "ACCEPT": "*/*", "content-type": "text/plain"}, {}, 60.0
    ),
    "further ones of the SDK": (
        KEY | {"x-stainless-retry-count": "7", "X-Stainless-Read-Timeout": "","X-stainless-os": ""},
        {}, 60.0,
    ),
    "below the SDK": (
        KEY | {"Host": "acme.example", "accept-encoding": "gzip"}, {}, 60.0
    ),
    "path": (KEY, {"path": "/a%20b/ü;x=1,2/deployments/a%2Fb/../c/"}, 60.0),
    "time": (KEY, {}, 7),
    "little time": (KEY, {}, 0.5),
}  # fmt: skip


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_is_the_sdks(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Same place, every header the same, whatever the endpoint has and the environment says."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-ambient")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-ambient")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-ambient")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Ambient: ambient\nX-Team: ambient")
    headers, facts, timeout = REQUESTS[kind]
    url = server.origin + facts.get("path", "/v1")
    endpoint = Endpoint(service="s", url=url, model=SMALL, query=facts.get("query", {}))

    async def both() -> None:
        for way in (
            Proxied(endpoint, timeout=timeout, connect=timeout),
            wire.Wire(endpoint, timeout=timeout, connect=timeout, is_timed=False),
        ):
            for body in (b'{"input":["a"]}', b'{"input":["a","b"]}'):
                with suppress(openai.APIStatusError):
                    await way.post(body, headers)
            await way.close()

    asyncio.run(both())
    theirs, ours = server.bill.requests[:2], server.bill.requests[2:]
    assert [_sent(one) for one in ours] == [_sent(one) for one in theirs]
    assert "ambient" not in str(ours)


def _sent(seen: Seen) -> tuple[object, ...]:
    return seen.method, seen.path, seen.query, seen.headers, seen.body


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows", "FreeBSD", "OpenBSD", "SunOS"])
@pytest.mark.parametrize("machine", ["x86_64", "AMD64", "aarch64", "arm64", "arm", ""])
def test_the_machine_is_called_as_the_sdk_calls_it(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    """Whatever Python runs on, its X-Stainless headers are the SDK's."""
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "platform", lambda: f"{system}-5.11-{machine}")
    made = unwrap(openai._base_client.platform_headers)(openai.__version__, platform=None)
    assert made.items() <= unwrap(pattern.fixed)().items()


def test_the_pool_is_as_large_as_the_sdks() -> None:
    """So many connections, kept so long."""
    limits = openai.DEFAULT_CONNECTION_LIMITS
    assert (limits.max_connections, limits.keepalive_expiry) == (
        wire.CONNECTIONS,
        wire.KEEP_ALIVE_S,
    )


WITHOUT_THE_SDK = """
import sys
from ellmental_embeddings import EmbeddingError, load_generator

url, key, model = sys.argv[1:]
for given, refused in (({}, False), ({"OPENAI_API_KEY": "k"}, True), ({"OPENAI_MODEL": "x"}, True)):
    known = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": key, "OPENAI_MODEL": model}
    with load_generator("OPENAI", **known | given) as generator:
        try:
            generator.embed(["a"])
        except EmbeddingError:
            assert refused
        else:
            assert not refused
print({"openai", "httpx2", "anyio"} & set(sys.modules))
"""


def test_the_sdk_is_not_imported_for_a_first_vector(server: OpenAIServer) -> None:
    """It takes longer than all else; neither an answer nor a refusal needs it."""
    command = [sys.executable, "-c", WITHOUT_THE_SDK, server.url, server.key or "", SMALL]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


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
    """What goes through a proxy is the SDK's business: nothing goes past it, refusals are read."""
    proxy = server.url.removesuffix("/v1")
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    with load(server, OPENAI_BASE_URL="http://embeddings.invalid/v1") as generator:
        for count in (1, 2):
            texts = texts_of(count)
            assert_right(generator.embed(texts), texts)
        server.script.next("rate_limited")
        assert_right(generator.embed(texts_of(3)), texts_of(3))
        server.house.key = "sk-another-one"
        with pytest.raises(AuthenticationFailed, match="401"):
            generator.embed(["b"])
    hosts = [seen.headers["host"] for seen in server.bill.requests]
    assert hosts == ["embeddings.invalid"] * 5
