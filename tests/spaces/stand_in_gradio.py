"""A Gradio of recorded shape: answers rightly, but for what a test has it do."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from stand_in import Answer, Request, StandIn, reply, sse
from vectors_behind import fake_vector

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["StandInGradio", "completed", "config", "failed"]

VERSIONS = {"ws": "3.50.2", "sse": "4.0.2", "sse_v1": "4.16.0", "sse_v2": "4.19.2"}


def config(
    protocol: str = "sse_v3", prefix: str = "/gradio_api", component: str = "dataframe"
) -> dict[str, Any]:
    """What /config says."""
    told: dict[str, Any] = {
        "version": VERSIONS.get(protocol, "5.50.0") + "\n",
        "components": [{"id": 1, "type": component}, {"id": 2, "type": component}],
        "dependencies": [
            {"api_name": None, "inputs": [1], "outputs": [2]},
            {"id": 7, "api_name": "predict", "inputs": [1], "outputs": [2]},
            {"id": 8, "api_name": "other", "inputs": [1], "outputs": [2]},
            {"id": 9, "api_name": "two", "inputs": [1, 1], "outputs": [2]},
        ],
    }
    if prefix:
        told["api_prefix"] = prefix
    return told | ({} if protocol == "ws" else {"protocol": protocol})


def completed(value: object) -> dict[str, Any]:
    """The message that ends a call well."""
    return {"msg": "process_completed", "output": {"data": [value]}, "success": True}


def failed(error: object, title: str | None = None) -> dict[str, Any]:
    """The message that ends a call badly."""
    output = {"error": error} | ({"title": title} if title else {})
    return {"msg": "process_completed", "output": output, "success": False}


class StandInGradio(StandIn):
    """Gradio's queue, protocols sse_v1 to sse_v3.

    Attributes:
        streams: what the next streams answer instead of the right vectors: an Answer, or a
            function of the right value.
        joined: the bodies that calls were started with.
    """

    def __init__(self, protocol: str = "sse_v3", prefix: str = "/gradio_api") -> None:
        super().__init__()
        self.streams: list[Answer | Callable[[Any], Answer]] = []
        self.joined: list[dict[str, Any]] = []
        self._sessions: dict[str, Any] = {}
        self._numbers = itertools.count()
        self.on("GET /config", reply(config(protocol, prefix)))
        self.routes[f"POST {prefix}/queue/join"] = self._join
        self.routes[f"GET {prefix}/queue/data"] = self._data

    def _join(self, request: Request) -> Answer:
        body = request.content
        self.joined.append(body)
        self._sessions[body["session_hash"]] = _right(body["data"][0])
        return reply({"event_id": f"event-{next(self._numbers)}"})

    def _data(self, request: Request) -> Answer:
        value = self._sessions.pop(request.query["session_hash"], None)
        if value is None:
            return sse({"msg": "unexpected_error", "message": "404: Session not found."})
        if self.streams:
            given = self.streams.pop(0)
            return given if isinstance(given, Answer) else given(value)
        return sse(
            {"msg": "estimation", "rank": 0},
            {"msg": "process_starts"},
            completed(value),
            {"msg": "close_stream"},
        )


def _right(value: Any) -> Any:
    """The vectors of a Dataframe's value: of its only row, or of its pairs."""
    rows = value["data"]
    pairs = value["headers"] == ["instruction", "text"]
    vectors = (
        [fake_vector(text, instruction) for instruction, text in rows]
        if pairs
        else [fake_vector(text) for text in rows[0]]
    )
    return {"headers": ["1", "2", "3", "4"], "data": vectors, "metadata": None}
