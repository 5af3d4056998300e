"""The key goes to the host it is meant for, and nowhere else."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import pytest
from stand_in import Answer, StandIn, html, reply
from stand_in_gradio import StandInGradio, config

from ellmental_embeddings import ConfigurationError, EmbeddingError, Unavailable

if TYPE_CHECKING:
    from conftest import Load

KEY = "hf_aVerySecretKey"
SPACE = "owner/name"


def _authorizations(server: StandIn) -> set[str | None]:
    return {request.headers.get("authorization") for request in server.requests}


def test_the_key_is_on_every_request_to_the_app(gradio: StandInGradio, load: Load) -> None:
    """A private Space wants it on all of them, the stream's GET too."""
    load(gradio.url, EMBEDDINGS_GENERATION_KEY=f" {KEY}\n").embed(["a"])
    assert _authorizations(gradio) == {f"Bearer {KEY}"}
    assert len(gradio.requests) == 3


def test_without_a_key_nothing_is_sent_for_one(
    gradio: StandInGradio, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No token lying about on the machine is sent: neither HF_TOKEN nor a .netrc."""
    monkeypatch.setenv("HF_TOKEN", KEY)
    load(gradio.url).embed(["a"])
    assert _authorizations(gradio) == {None}


def test_the_hub_gets_the_key_for_a_space(hub: StandIn, gradio: StandInGradio, load: Load) -> None:
    """The Hub is asked with it where a Space is meant, since a private one is invisible else."""
    hub.on(f"GET /api/spaces/{SPACE}/host", reply({"host": gradio.url}))
    load(SPACE, HF_ENDPOINT=hub.url, EMBEDDINGS_GENERATION_KEY=KEY).embed(["a"])
    assert _authorizations(hub) == {f"Bearer {KEY}"}
    assert _authorizations(gradio) == {f"Bearer {KEY}"}


def test_the_hub_is_not_asked_about_other_servers(
    hub: StandIn, server: StandIn, load: Load
) -> None:
    """A server of one's own is nobody's business: the Hub hears of neither it nor the key."""
    with pytest.raises(EmbeddingError):
        load(
            server.url, HF_ENDPOINT=hub.url, EMBEDDINGS_GENERATION_KEY=KEY, EMBEDDING_DEADLINE=0.3
        ).embed(["a"])
    assert hub.requests == []


@pytest.mark.parametrize(
    "host",
    [
        "https://evil.example",
        "http://a-b.hf.space",
        "https://hf.space.evil",
        "https://[::1",
        "https://a-b.hf.space:99999",
        "",
    ],
)
def test_a_host_that_is_no_space_gets_nothing(host: str, hub: StandIn, load: Load) -> None:
    """What the Hub is said to name is checked: only addresses of Spaces get key and texts."""
    hub.on(f"GET /api/spaces/{SPACE}/host", reply({"host": host}))
    with pytest.raises(ConfigurationError, match="nothing was sent there"):
        load(SPACE, HF_ENDPOINT=hub.url, EMBEDDINGS_GENERATION_KEY=KEY).embed(["a"])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "route", ["GET /config", "POST /gradio_api/queue/join", "GET /gradio_api/queue/data"]
)
def test_no_redirect_leads_to_another_host(
    route: str, status: int, gradio: StandInGradio, server: StandIn, load: Load
) -> None:
    """Wherever it happens, a redirect elsewhere is told and not followed."""
    target = f"{server.url}/login?secret=1"
    gradio.on(route, Answer(status, headers={"location": target}))
    with pytest.raises(ConfigurationError, match="which was not followed") as caught:
        load(gradio.url, EMBEDDINGS_GENERATION_KEY=KEY).embed(["a"])
    assert server.requests == []
    assert f"set EMBEDDINGS_GENERATION_URL to its address ({server.url})" in str(caught.value)
    assert "secret=1" not in str(caught.value)


def test_a_redirect_on_the_same_host_is_followed(gradio: StandInGradio, load: Load) -> None:
    """A path that moved on the same host is followed, with the key."""
    gradio.on("GET /config", Answer(307, headers={"location": "/moved"}))
    gradio.on("GET /moved", reply(config()))
    load(gradio.url, EMBEDDINGS_GENERATION_KEY=KEY).embed(["a"])
    assert _authorizations(gradio) == {f"Bearer {KEY}"}


def test_redirects_in_circles_end(server: StandIn, load: Load) -> None:
    """A server that redirects to itself is told, not followed for ever."""
    server.on("GET /config", Answer(307, headers={"location": "/config"}))
    with pytest.raises(ConfigurationError, match="redirects in circles"):
        load(server.url).embed(["a"])
    assert len(server.requests) == 5


def test_a_key_of_the_app_s_own_goes_beside_the_hub_s(
    hub: StandIn, gradio: StandInGradio, load: Load
) -> None:
    """SPACES_APP_KEY is for the app alone; the Hub's key moves to the gateway's header."""
    hub.on(f"GET /api/spaces/{SPACE}/host", reply({"host": gradio.url}))
    load(
        SPACE, HF_ENDPOINT=hub.url, EMBEDDINGS_GENERATION_KEY=KEY, SPACES_APP_KEY="app-secret"
    ).embed(["a"])
    assert _authorizations(gradio) == {"Bearer app-secret"}
    assert {each.headers["x-hf-authorization"] for each in gradio.requests} == {f"Bearer {KEY}"}
    assert _authorizations(hub) == {f"Bearer {KEY}"}


@pytest.mark.parametrize("before", [0, 55, 70])
def test_no_error_and_no_log_line_shows_the_key(
    before: int, gradio: StandInGradio, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even an app that repeats what it was sent brings the key into an error or a log."""
    gradio.on("GET /config", html(f"you sent Bearer {KEY}", 503))
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable) as caught:
        load(gradio.url, EMBEDDINGS_GENERATION_KEY=KEY, EMBEDDING_DEADLINE=0.5).embed(["a"])
    # A long message is cut short, which may leave the beginning of a key at its end.
    echo = f"{'x' * before} you sent Bearer {KEY}"
    gradio.on("GET /config", Answer(503, "text/plain", [echo.encode()]))
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable) as again:
        load(gradio.url, EMBEDDINGS_GENERATION_KEY=KEY, EMBEDDING_DEADLINE=0.5).embed(["a"])
    shown = "".join(traceback.format_exception(caught.value))
    shown += "".join(traceback.format_exception(again.value))
    assert "********" in shown
    assert KEY[:12] not in shown + caplog.text


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SSL_CERT_FILE", "nowhere.pem"),
        ("HTTPS_PROXY", "foo://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://[::1"),
        ("NO_PROXY", "[::1"),
    ],
)
def test_an_environment_that_allows_no_connection(
    variable: str, value: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates that are not there, or an odd proxy, are told as the variable's fault."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE.*HTTPS_PROXY"):
        load("https://127.0.0.1:9")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password(
    scheme: str, server: StandIn, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told at once and as the proxy's, whether it was asked to connect or to fetch."""
    server.on("GET /config", Answer(407))
    server.on("CONNECT 443", Answer(407))  # "app.example:443" reads like a URL of that path
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv(f"{scheme}_proxy", server.url.replace("//", "//me:wrong-password@"))
    with pytest.raises(ConfigurationError, match=r"proxy .*wants.*HTTPS_PROXY") as caught:
        load(f"{scheme}://app.example").embed(["a"])
    assert len(server.requests) == 1
    assert "wrong-password" not in str(caught.value)


def test_a_post_that_is_redirected_on_its_own_server(gradio: StandInGradio, load: Load) -> None:
    """A redirect that would turn a POST into a GET is told with the path to check."""
    gradio.on("POST /gradio_api/queue/join", Answer(301, headers={"location": "/elsewhere"}))
    with pytest.raises(ConfigurationError, match=r"redirect of status 301.*Check the path"):
        load(gradio.url).embed(["a"])
