"""`ellmental doctor` says what it talks to, or what is in the way, whatever that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from stand_in import Answer, Request, StandIn, html, reply
from stand_in_gradio import config
from vectors_behind import fake_vector

from ellmental_embeddings.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from stand_in_gradio import StandInGradio

    Doctor = Callable[..., tuple[int, str]]

SPACE = "owner/name"


@pytest.fixture
def doctor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs the command with a URL and further variables; its exit code, and all that it prints."""

    def run(url: str, generator: str = "SPACES_TEXT", **variables: str) -> tuple[int, str]:
        given = {"EMBEDDINGS_GENERATION_URL": url, "EMBEDDING_DEADLINE": "3", **variables}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main(["doctor", "-g", generator])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    return run


def _inputs(request: Request) -> Answer:
    return reply([fake_vector(text) for text in request.content["inputs"]])


def test_text_embeddings_inference_is_told_with_its_limit(server: StandIn, doctor: Doctor) -> None:
    """The version and how many texts it takes at once."""
    info = {"model_id": "m", "model_sha": "s", "max_client_batch_size": 4, "version": "1.9.3"}
    server.on("GET /info", reply(info))
    server.routes["POST /embed"] = _inputs
    code, told = doctor(server.url)
    assert code == 0, told
    assert f"server: text-embeddings-inference 1.9.3 at {server.url}, 4 texts a request" in told


def test_an_endpoint_of_inputs_is_told(server: StandIn, doctor: Doctor) -> None:
    """Its path, and what is sent to it."""
    server.routes["POST /predict"] = _inputs
    code, told = doctor(server.url)
    assert code == 0, told
    assert f'server: an endpoint that takes {{"inputs": [...]}} at {server.url}/predict' in told


@pytest.mark.parametrize(
    ("route", "answer", "settings", "told"),
    [
        ("GET /v1/models", reply({"object": "list", "data": []}), {}, "OPENAI_BASE_URL="),
        ("GET /config", html("<h1>A page</h1>"), {}, "Tried: GET /config -> HTTP 200 text/html"),
        ("GET /config", reply(config()), {"SPACES_ENDPOINT": "/no"}, "It has: /other, /predict"),
        (
            "GET /config",
            reply(config()),
            {"generator": "SPACES_INSTRUCT"},
            "has no instruction for texts",
        ),
    ],
)
def test_what_is_in_the_way_is_told(
    route: str, answer: Answer, settings: dict[str, str], told: str, server: StandIn, doctor: Doctor
) -> None:
    """A server of another kind, an unknown one, a missing endpoint, a missing instruction."""
    server.on(route, answer)
    code, output = doctor(server.url, **settings)
    assert code != 0
    assert told in output


def test_a_paused_space_is_told(hub: StandIn, gradio: StandInGradio, doctor: Doctor) -> None:
    """Why the Space does not answer, and who can help."""
    hub.on(f"GET /api/spaces/{SPACE}/host", reply({"host": gradio.url}))
    hub.on(f"GET /api/spaces/{SPACE}/runtime", reply({"stage": "PAUSED"}))
    gradio.on("GET /config", html("Your space is in error", 503))
    code, output = doctor(SPACE, HF_ENDPOINT=hub.url)
    assert code != 0
    assert f"the Space {SPACE} is paused: only its owner can restart it" in output
