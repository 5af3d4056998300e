"""Wrong keys, addresses and models: what a user sees, and what must never leave the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from openai_server import OpenAIServer
from server_witness import SMALL, assert_right, embed, leaked, load, shown

from ellmental_embeddings import AuthenticationFailed, ConfigurationError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def other() -> Iterator[OpenAIServer]:
    """Another origin."""
    with OpenAIServer(key=None) as running:
        yield running


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", "  {}\t", "\n{}"])
def test_white_space_around_a_key_is_dropped(server: OpenAIServer, around: str) -> None:
    """A key with the newline of the file it came from works."""
    assert_right(embed(server, ["a"], OPENAI_API_KEY=around.format(server.key)), ["a"])
    assert server.bill.requests[0].key == server.key


@pytest.mark.parametrize("inside", ["\n", "\0", "é", "“"])
def test_a_key_that_no_header_can_hold(server: OpenAIServer, inside: str) -> None:
    """Refused before anything is sent, by the variable's name and without the key."""
    key = server.key[:12] + inside + server.key[12:]
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY") as caught:
        embed(server, ["a"], OPENAI_API_KEY=key)
    assert not server.bill.requests
    assert not leaked(key, shown(caught.value))


def test_a_wrong_key_is_not_repeated(server: OpenAIServer) -> None:
    """The service's 401 shows both ends of the key; the user sees neither."""
    key = "sk-proj-qV7nRd2MxZ9aLk4TfGw8BhUy6CsPj3Ne"
    with pytest.raises(AuthenticationFailed, match="OPENAI_API_KEY") as caught:
        embed(server, ["a"], OPENAI_API_KEY=key)
    assert not leaked(key.removeprefix("sk-proj-"), shown(caught.value))
    assert len(server.bill.requests) == 1


def test_an_address_without_scheme(server: OpenAIServer) -> None:
    """Named by its variable, with what was probably meant."""
    with pytest.raises(ConfigurationError, match=r"OPENAI_BASE_URL.*http://127\.0\.0\.1"):
        load(server, OPENAI_BASE_URL=server.url.removeprefix("http://"))


@pytest.mark.parametrize("end", ["", "/v2", "/api", "/v1/v1"])
def test_a_wrong_path(server: OpenAIServer, end: str) -> None:
    """404: names OPENAI_BASE_URL, the address that was asked, and the usual ending."""
    with pytest.raises(ConfigurationError, match=r"OPENAI_BASE_URL.*/v1") as caught:
        embed(server, ["a"], OPENAI_BASE_URL=server.origin + end)
    assert "404" in str(caught.value)
    assert len(server.bill.requests) == 1


@pytest.mark.parametrize("end", ["/v1/", "/v1/embeddings", " ", "/v1//"])
def test_a_path_that_is_plainly_meant(server: OpenAIServer, end: str) -> None:
    """A trailing slash and a pasted endpoint are understood."""
    url = server.url + " " if end == " " else server.origin + end
    assert_right(embed(server, ["a"], OPENAI_BASE_URL=url), ["a"])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin(
    server: OpenAIServer, other: OpenAIServer, status: int
) -> None:
    """The key does not follow it, nor do the texts; the error says where it leads."""
    server.script.always("redirect", to=f"{other.url}/embeddings", status=status)
    with pytest.raises(ConfigurationError, match=r"OPENAI_BASE_URL") as caught:
        embed(server, ["a secret text"])
    assert not any(seen.key for seen in other.bill.requests)
    assert not any(seen.texts for seen in other.bill.requests)
    assert other.origin in str(caught.value)


@pytest.mark.usefixtures("quick_retries")
def test_nobody_listens(server: OpenAIServer) -> None:
    """A closed port: Unavailable by the deadline, with the address."""
    with OpenAIServer() as gone:
        url = gone.url
    with pytest.raises(Unavailable, match=r"EMBEDDING_DEADLINE") as caught:
        embed(server, ["a"], OPENAI_BASE_URL=url, EMBEDDING_DEADLINE=0.3)
    assert url in str(caught.value)
    assert not leaked(server.key, shown(caught.value))


@pytest.mark.usefixtures("quick_retries")
def test_a_host_that_does_not_exist(server: OpenAIServer) -> None:
    """A misspelt host: says which, and names the variable."""
    with pytest.raises((Unavailable, ConfigurationError), match=r"OPENAI_BASE_URL.*no-such-host"):
        embed(
            server, ["a"], OPENAI_BASE_URL="http://no-such-host.invalid/v1", EMBEDDING_DEADLINE=0.3
        )


@pytest.mark.usefixtures("quick_retries")
def test_https_where_http_is_spoken(server: OpenAIServer) -> None:
    """A TLS handshake with a plain server: says what was probably meant, at once."""
    url = server.url.replace("http://", "https://")
    with pytest.raises(ConfigurationError, match=r"OPENAI_BASE_URL.*http://"):
        embed(server, ["a"], OPENAI_BASE_URL=url, EMBEDDING_DEADLINE=0.3)


def test_an_unknown_setting_is_not_sent(server: OpenAIServer) -> None:
    """A typo is an error with the right name, never an argument of the request."""
    with pytest.raises(ConfigurationError, match="Did you mean OPENAI_MODEL"):
        load(server, OPENAI_MODLE="x")
    assert not server.bill.requests


def test_variables_of_others_do_not_leak_in(
    server: OpenAIServer, other: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an admin key nor Azure's variables reach OpenAI; a proxy for others is not asked."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-ambient")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "ambient-token")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "ambient-key")
    assert_right(embed(server, ["a"]), ["a"])
    (seen,) = server.bill.requests
    assert seen.key == server.key
    assert "ambient" not in repr(seen)


def test_a_generator_does_not_show_its_key(server: OpenAIServer) -> None:
    """Not in any repr that a debugger or a log would print."""
    with load(server) as generator:
        generator.embed(["a"])
        parts = [generator, generator.settings, generator._engine.backend, generator._engine.policy]
        assert not leaked(server.key, *map(repr, parts[:3]))


def test_a_missing_model_is_named(server: OpenAIServer) -> None:
    """The service's 404 for a model ends in OPENAI_MODEL."""
    with pytest.raises(ConfigurationError, match=r"OPENAI_MODEL=text-embedding-4"):
        embed(server, ["a"], OPENAI_MODEL="text-embedding-4")
    assert SMALL in server.house.models
