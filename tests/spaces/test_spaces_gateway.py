"""The Hub's gateway: Spaces that sleep, build, are paused, private or gone."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stand_in import Answer, StandIn, html, reply
from stand_in_gradio import StandInGradio, config

from ellmental_embeddings import (
    AuthenticationFailed,
    ConfigurationError,
    EmbeddingError,
    RateLimited,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conftest import Load
    from numpy.typing import NDArray

    Right = Callable[[Iterable[str]], NDArray[np.float32]]

SPACE = "owner/my_name"
PREPARING = html("<html><title>Preparing Space</title></html>")
MISSING = html("Sorry, we can't find the page you are looking for.", 404)
IN_ERROR = Answer(503, "text/plain", [b"Your space is in error, check its status on hf.co"])
READY = reply(config())


def _hub(hub: StandIn, app: StandIn, *stages: str, message: str = "") -> None:
    """The Hub's answers about the Space, a stage a question."""
    hub.on(f"GET /api/spaces/{SPACE}/host", reply({"host": app.url, "subdomain": "owner-my-name"}))
    runtimes = [{"stage": stage, "errorMessage": message} for stage in stages]
    hub.on(f"GET /api/spaces/{SPACE}/runtime", *map(reply, runtimes))


def _load(load: Load, hub: StandIn, **settings: Any) -> Any:
    return load(SPACE, HF_ENDPOINT=hub.url, **settings)


def test_owner_and_name_are_resolved_by_the_hub(
    hub: StandIn, gradio: StandInGradio, load: Load, right: Right
) -> None:
    """The Hub says where owner/name is served; it is asked once, and not about the runtime."""
    _hub(hub, gradio, "RUNNING")
    generator = _load(load, hub, BATCH_SIZE=1)
    np.testing.assert_allclose(generator.embed(["a", "b"]).vectors, right(["a", "b"]))
    assert hub.paths() == [f"GET /api/spaces/{SPACE}/host"]


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        (("SLEEPING",) * 2, "is asleep and is being woken"),
        (("APP_STARTING", "STOPPED"), "was stopped and is being woken"),
        (("SLEEPING", "BUILDING"), "is being built"),
        (("BUILDING", "APP_STARTING"), "is starting"),
        (("RUNNING",) * 2, "is starting"),
    ],
)
def test_a_space_that_wakes_up_is_waited_for(
    stages: tuple[str, ...],
    told: str,
    hub: StandIn,
    gradio: StandInGradio,
    load: Load,
    right: Right,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """200 with a page is no answer: it is waited for, and a line says what is waited for."""
    _hub(hub, gradio, *stages)
    gradio.on("GET /config", *[PREPARING] * len(stages), READY)
    with caplog.at_level(logging.WARNING):
        result = _load(load, hub).embed(["a"])
    np.testing.assert_allclose(result.vectors, right(["a"]))
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"the Space {SPACE} {told}; try ")
    assert "within 20 s (EMBEDDING_DEADLINE)" in line


def test_a_space_that_never_wakes_is_given_up_at_the_deadline(
    hub: StandIn, gradio: StandInGradio, load: Load
) -> None:
    """The error says what it was doing, and which variable gives it more time."""
    _hub(hub, gradio, "SLEEPING")
    gradio.on("GET /config", PREPARING)
    asked = r"It asks to wait \d\.?\d? s\."
    with pytest.raises(Unavailable, match=rf"is asleep.*{asked}.*EMBEDDING_DEADLINE=2"):
        _load(load, hub, EMBEDDING_DEADLINE=2).embed(["a"])


@pytest.mark.parametrize("page", [IN_ERROR, MISSING, html("Bad Gateway", 502)])
@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("PAUSED", "is paused: only its owner can restart it, at .*/settings"),
        ("NO_APP_FILE", "has no app"),
        ("CONFIG_ERROR", "has a wrong configuration"),
        ("BUILD_ERROR", r"failed to build.*logs=build"),
        ("RUNTIME_ERROR", r"has crashed.*It says: it broke"),
        ("DELETING", "is being deleted"),
    ],
)
def test_a_space_that_will_not_come_is_told_at_once(
    stage: str, told: str, page: Answer, hub: StandIn, gradio: StandInGradio, load: Load
) -> None:
    """Paused, broken and deleted Spaces end the call with what only their owner can do."""
    _hub(hub, gradio, stage, message="it broke")
    gradio.on("GET /config", page)
    with pytest.raises(ConfigurationError, match=told):
        _load(load, hub).embed(["a"])
    assert gradio.paths() == ["GET /config"]


@pytest.mark.parametrize(
    ("key", "status", "code", "kind", "told"),
    [
        (None, 401, "RepoNotFound", AuthenticationFailed, "or it is private.*GENERATION_KEY"),
        ("hf_good", 401, "RepoNotFound", ConfigurationError, "does not exist"),
        ("hf_good", 404, "RepoNotFound", ConfigurationError, "does not exist"),
        ("hf_bad", 401, "", AuthenticationFailed, "does not accept EMBEDDINGS_GENERATION_KEY"),
    ],
)
@pytest.mark.parametrize("asked", ["host", "runtime"])
def test_private_unknown_and_refused_are_told_apart(
    asked: str,
    key: str | None,
    status: int,
    code: str,
    kind: type[Exception],
    told: str,
    hub: StandIn,
    gradio: StandInGradio,
    load: Load,
) -> None:
    """A missing key, a wrong key and a wrong name each have their own remedy."""
    _hub(hub, gradio, "RUNNING")
    gradio.on("GET /config", MISSING)
    hub.on(f"GET /api/spaces/{SPACE}/{asked}", reply({}, status, x_error_code=code))
    with pytest.raises(kind, match=told) as caught:
        _load(load, hub, EMBEDDINGS_GENERATION_KEY=key).embed(["a"])
    assert SPACE in str(caught.value)
    assert "hf_" not in str(caught.value).replace("hf_endpoint", "")


def test_a_hub_that_cannot_be_reached_is_told_as_the_hub(load: Load) -> None:
    """Without the Hub owner/name leads nowhere: the error names it, and the URL to set instead."""
    with StandIn() as gone:
        nowhere = gone.url
    with pytest.raises(
        Unavailable, match=rf"the Hub cannot be asked about {SPACE}.*{nowhere}.*owner-name.hf.space"
    ):
        load(SPACE, HF_ENDPOINT=nowhere, EMBEDDING_DEADLINE=0.3).embed(["a"])


def test_the_hub_s_own_pace_is_kept(hub: StandIn, gradio: StandInGradio, load: Load) -> None:
    """The Hub's 429 says in its RateLimit header how long to wait."""
    _hub(hub, gradio, "RUNNING")
    limited = reply({}, 429, RateLimit='"api";r=0;t=55')
    hub.on(f"GET /api/spaces/{SPACE}/host", limited)
    with pytest.raises(RateLimited, match="asks to wait 55 s"):
        _load(load, hub).embed(["a"])


def test_a_space_that_falls_asleep_between_calls_is_woken(
    hub: StandIn, gradio: StandInGradio, load: Load, right: Right
) -> None:
    """What was found out does not blind it: a page in place of an answer is understood later."""
    _hub(hub, gradio, "SLEEPING")
    generator = _load(load, hub)
    generator.embed(["a"])
    join = gradio.routes["POST /gradio_api/queue/join"]
    asleep = [PREPARING]
    gradio.routes["POST /gradio_api/queue/join"] = lambda request: (
        asleep.pop() if asleep else join(request)
    )
    np.testing.assert_allclose(generator.embed(["b"]).vectors, right(["b"]))


def test_a_space_that_is_paused_between_calls_is_told(
    hub: StandIn, gradio: StandInGradio, load: Load
) -> None:
    """A Space paused while it is used ends the call with the reason."""
    _hub(hub, gradio, "PAUSED")
    generator = _load(load, hub)
    generator.embed(["a"])
    gradio.on("POST /gradio_api/queue/join", IN_ERROR)
    with pytest.raises(ConfigurationError, match="is paused"):
        generator.embed(["b"])


def test_a_docker_space_with_a_page_at_config_is_recognised(
    hub: StandIn, server: StandIn, load: Load
) -> None:
    """Once the Hub says that it runs, a page is the app's own: other kinds are looked for."""
    _hub(hub, server, "RUNNING")
    server.on("GET /config", html("<h1>An app of my own</h1>"))
    server.on("GET /info", reply({"model_id": "m", "model_sha": "s", "max_client_batch_size": 32}))
    server.on("POST /embed", reply([[0.5, 0.5]]))
    assert _load(load, hub).embed(["a"]).space.model == "m"


@pytest.mark.parametrize("stage", ["RUNNING_BUILDING", "RUNNING_APP_STARTING"])
def test_a_space_that_is_built_anew_is_used_meanwhile(
    stage: str,
    hub: StandIn,
    server: StandIn,
    load: Load,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """While a new version is built the old one runs: it is not waited for."""
    _hub(hub, server, stage)
    server.on("GET /config", html("<h1>An app of my own</h1>"))
    server.on("GET /info", reply({"model_id": "m", "model_sha": "s", "max_client_batch_size": 32}))
    server.on("POST /embed", reply([[0.5, 0.5]]))
    with caplog.at_level(logging.WARNING):
        assert _load(load, hub).embed(["a"]).usage.retries == 0
    assert not caplog.records


@pytest.mark.parametrize(
    "page",
    [
        Answer(404, "text/plain", [b"Not Found"]),
        Answer(404, "text/html", [b"<!doctype html><title>404 Not Found</title>"]),
        Answer(404, "text/plain", []),
        html("<h1>An app of my own</h1>"),
    ],
)
def test_an_app_s_own_page_is_none_of_the_gateway_s(
    page: Answer, server: StandIn, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the Hub cannot be asked, a Docker Space's plain 404 is its own: the search goes on."""
    _pretend_subdomain(monkeypatch, server.url)
    server.on("GET /config", page)
    server.on("GET /info", reply({"model_id": "m", "model_sha": "s", "max_client_batch_size": 32}))
    server.on("POST /embed", reply([[0.5, 0.5]]))
    with StandIn() as gone:
        nowhere = gone.url
    result = load(server.url, HF_ENDPOINT=nowhere).embed(["a"])
    assert result.space.model == "m"
    assert result.usage.retries == 0


def test_a_private_space_is_served_to_its_key_alone(
    hub: StandIn, gradio: StandInGradio, load: Load, right: Right
) -> None:
    """A gateway that shows strangers a page of 404 lets the key through, on every request."""
    _hub(hub, gradio, "RUNNING")
    for route, handler in list(gradio.routes.items()):

        def guarded(request: Any, handler: Any = handler) -> Any:
            let_in = request.headers.get("authorization") == "Bearer hf_good"
            return handler(request) if let_in else MISSING

        gradio.routes[route] = guarded
    result = _load(load, hub, EMBEDDINGS_GENERATION_KEY="hf_good", BATCH_SIZE=1).embed(["a", "b"])
    np.testing.assert_allclose(result.vectors, right(["a", "b"]))
    hub.on(f"GET /api/spaces/{SPACE}/runtime", reply({}, 401, x_error_code="RepoNotFound"))
    with pytest.raises(AuthenticationFailed, match="or it is private"):
        _load(load, hub).embed(["a"])


@pytest.mark.parametrize(
    ("page", "kind", "told"),
    [
        (PREPARING, Unavailable, "is waking up or starting"),
        (MISSING, ConfigurationError, "is private and EMBEDDINGS_GENERATION_KEY"),
        (IN_ERROR, Unavailable, "space is in error"),
    ],
)
def test_without_the_hub_the_page_has_to_do(
    page: Answer,
    kind: type[EmbeddingError],
    told: str,
    server: StandIn,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the Hub cannot be asked about a subdomain, the gateway's own answer is read."""
    _pretend_subdomain(monkeypatch, server.url)
    server.on("GET /config", page)
    with StandIn() as gone:
        nowhere = gone.url
    with pytest.raises(kind, match=told):
        load(server.url, HF_ENDPOINT=nowhere, EMBEDDING_DEADLINE=0.5).embed(["a"])


def test_a_space_given_by_its_url_is_asked_for_by_its_subdomain(
    hub: StandIn, server: StandIn, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https://owner-name.hf.space is enough for the Hub to say what is wrong with the Space."""
    _pretend_subdomain(monkeypatch, server.url)
    server.on("GET /config", IN_ERROR)
    runtime = {"id": SPACE, "runtime": {"stage": "PAUSED"}}
    hub.on("GET /api/spaces/by-subdomain/owner-my-name", reply(runtime))
    with pytest.raises(ConfigurationError, match=f"the Space {SPACE} is paused"):
        load(server.url, HF_ENDPOINT=hub.url).embed(["a"])


def _pretend_subdomain(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Have the stand-in's URL taken for https://owner-my-name.hf.space, which is elsewhere."""
    from ellmental_embeddings_spaces import app
    from ellmental_embeddings_spaces.address import Address

    pretended = Address(root=url, subdomain="owner-my-name")
    monkeypatch.setattr(app, "parse_address", lambda given: pretended)


def test_the_command_line_says_what_is_waited_for(hub: StandIn, gradio: StandInGradio) -> None:
    """`ellmental vector` prints the progress on stderr, and the vector alone on stdout."""
    _hub(hub, gradio, "SLEEPING")
    gradio.on("GET /config", PREPARING, PREPARING, READY)
    variables = {
        "EMBEDDINGS_GENERATION_URL": SPACE,
        "HF_ENDPOINT": hub.url,
        "NO_PROXY": "127.0.0.1",
        "PATH": os.environ["PATH"],
    }
    ran = subprocess.run(
        [sys.executable, "-m", "ellmental_embeddings", "vector", "-g", "SPACES_TEXT", "a"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert f"the Space {SPACE} is asleep and is being woken; try" in ran.stderr
    assert ran.stdout.startswith("[")
    assert ran.stdout.count("\n") == 1
