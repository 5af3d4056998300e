"""The queues of Gradio 3.x and 4.0, as recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stand_in import Answer, Request, StandIn, html, reply, sse
from stand_in_gradio import completed, config, failed
from vectors_behind import fake_vector

from ellmental_embeddings import ConfigurationError, EmbeddingFailed, RateLimited, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conftest import Load
    from numpy.typing import NDArray

    Right = Callable[[Iterable[str]], NDArray[np.float32]]

TEXTS = ["one", "two", "three"]


def _value(texts: list[str]) -> dict[str, Any]:
    return {"headers": [1, 2, 3, 4], "data": [fake_vector(text) for text in texts]}


def test_3_x_is_called_directly(server: StandIn, load: Load, right: Right) -> None:
    """With the direct route open, one POST is one call."""
    server.on("GET /config", reply(config("ws", "")))
    server.on("POST /run/predict", reply({"data": [_value(TEXTS)], "is_generating": False}))
    np.testing.assert_allclose(load(server.url).embed(TEXTS).vectors, right(TEXTS))
    assert server.paths() == ["GET /config", "POST /run/predict"]
    assert server.requests[1].content["fn_index"] == 7


@pytest.mark.parametrize(
    ("error", "told"), [("'custom failure'", "custom failure$"), (None, "does not say why")]
)
def test_3_x_tells_its_errors_with_status_500(
    error: str | None, told: str, server: StandIn, load: Load
) -> None:
    """500 with an error in JSON is the app's own failure: it is not sent again for ever."""
    server.on("GET /config", reply(config("ws", "")))
    server.on("POST /run/predict", reply({"error": error}, 500))
    with pytest.raises(EmbeddingFailed, match=told):
        load(server.url).embed(["one"])
    assert server.paths().count("POST /run/predict") == 1


def test_3_x_that_is_closed_both_ways_is_told(server: StandIn, load: Load) -> None:
    """Neither direct calls nor a queue: only the author can open the app."""
    server.on("GET /config", reply(config("ws", "")))
    server.on("POST /run/predict", reply({"detail": "Not Found"}, 404))
    with pytest.raises(ConfigurationError, match=r"demo.queue\(\)"):
        load(server.url).embed(TEXTS)


def test_a_websocket_that_is_not_understood_is_refused(server: StandIn, load: Load) -> None:
    """A page in place of a WebSocket ends in what the server said."""
    server.on("GET /config", reply(config("ws", "")))
    server.on("POST /run/predict", reply({"detail": "Not authorized to skip the queue"}, 401))
    server.on("GET /queue/join", html("Not Found", 404))
    with pytest.raises(ConfigurationError, match="takes direct calls as little"):
        load(server.url).embed(TEXTS)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_websocket_refused_for_a_while_is_tried_again(
    status: int, server: StandIn, load: Load
) -> None:
    """A proxy's 502, 503 or 429 in place of the WebSocket says nothing about the app."""
    server.on("GET /config", reply(config("ws", "")))
    server.on("POST /run/predict", reply({"detail": "Not Found"}, 404))
    server.on("GET /queue/join", html("Bad Gateway", status), html("Not Found", 404))
    with pytest.raises(ConfigurationError, match="takes direct calls as little"):
        load(server.url).embed(["one"])
    assert server.paths().count("GET /queue/join") == 2


class _Queue40:
    """4.0's queue: the stream asks for the data."""

    def __init__(self, server: StandIn, *messages: Any) -> None:
        self.messages = messages
        self.posted: list[Any] = []
        server.on("GET /config", reply(config("sse", "")))
        server.routes["GET /queue/join"] = self.join
        server.routes["POST /queue/data"] = self.data

    def join(self, request: Request) -> Answer:
        """The stream: asks, waits for the data, then has the test's messages."""
        asked = {"msg": "send_data", "event_id": f"e-{request.query['fn_index']}"}
        return sse({"msg": "estimation"}, asked, 0.1, *self.messages)

    def data(self, request: Request) -> Answer:
        """What was posted."""
        self.posted.append(request.content)
        return reply(None)


def test_4_0_is_asked_for_the_data(server: StandIn, load: Load, right: Right) -> None:
    """The data is posted once the stream asks for it, under the event's number."""
    queue = _Queue40(server, {"msg": "process_starts"}, completed(_value(TEXTS)))
    np.testing.assert_allclose(load(server.url).embed(TEXTS).vectors, right(TEXTS))
    assert [body["event_id"] for body in queue.posted] == ["e-7"]
    assert queue.posted[0]["data"][0]["data"] == [TEXTS]


@pytest.mark.parametrize(
    ("message", "kind", "told"),
    [
        (failed("'custom failure'"), EmbeddingFailed, "custom failure"),
        ({"msg": "queue_full"}, RateLimited, "queue .* is full"),
        ({"msg": "process_starts"}, Unavailable, "ended without a result"),
    ],
)
def test_4_0_fails_as_the_others_do(
    message: Any, kind: type[Exception], told: str, server: StandIn, load: Load
) -> None:
    """App errors, a full queue and a lost result are what they are in the later queues."""
    _Queue40(server, message)
    with pytest.raises(kind, match=told):
        load(server.url, EMBEDDING_DEADLINE=0.5).embed(["one"])
