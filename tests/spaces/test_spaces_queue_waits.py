"""A call that waits in the app's queue is left to wait: made again, it would be computed twice."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stand_in import Answer, Request, StandIn, reply, sse
from stand_in_gradio import StandInGradio, completed, config
from vectors_behind import fake_vector

from ellmental_embeddings import Unavailable
from ellmental_embeddings_spaces import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conftest import Load
    from numpy.typing import NDArray

    Right = Callable[[Iterable[str]], NDArray[np.float32]]

ESTIMATION = {"msg": "estimation", "rank": 2, "queue_size": 3}
STARTS = {"msg": "process_starts"}
HEARTBEATS = [0.05, {"msg": "heartbeat"}] * 400


def test_a_wait_in_the_queue_is_no_time_out(
    gradio: StandInGradio, load: Load, right: Right
) -> None:
    """Waiting three times EMBEDDING_TIMEOUT for its turn, a batch is still sent once."""
    gradio.streams = [
        lambda value: sse(ESTIMATION, 0.6, ESTIMATION, 0.6, STARTS, 0.05, completed(value))
    ]
    result = load(gradio.url, EMBEDDING_TIMEOUT=0.4).embed(["one"])
    np.testing.assert_allclose(result.vectors, right(["one"]))
    assert len(gradio.joined) == 1


def test_the_time_begins_with_the_computing(
    gradio: StandInGradio, load: Load, right: Right
) -> None:
    """Once the app says that it has begun, EMBEDDING_TIMEOUT runs: a stuck call is made again."""
    gradio.streams = [sse(ESTIMATION, 0.6, STARTS, *HEARTBEATS)]
    result = load(gradio.url, EMBEDDING_TIMEOUT=0.4).embed(["one"])
    np.testing.assert_allclose(result.vectors, right(["one"]))
    assert len(gradio.joined) == 2


def test_an_estimation_that_comes_late_stops_no_time(gradio: StandInGradio, load: Load) -> None:
    """What is being computed is not in the queue any more, whatever a late message says."""
    gradio.streams = [sse(STARTS, ESTIMATION, *HEARTBEATS)]
    load(gradio.url, EMBEDDING_TIMEOUT=0.4).embed(["one"])
    assert len(gradio.joined) == 2


def test_a_queue_that_never_moves_ends_at_the_deadline(gradio: StandInGradio, load: Load) -> None:
    """A batch that never has its turn is given up at EMBEDDING_DEADLINE, and not sent again."""
    gradio.streams = [sse(ESTIMATION, *HEARTBEATS) for _ in range(5)]
    with pytest.raises(Unavailable, match=r"no answer in 1 s \(EMBEDDING_DEADLINE\)"):
        load(gradio.url, EMBEDDING_TIMEOUT=0.3, EMBEDDING_DEADLINE=1).embed(["one"])
    assert len(gradio.joined) == 1


@pytest.mark.parametrize("news", [ESTIMATION, {"msg": "heartbeat"}])
def test_a_long_wait_in_the_queue_is_told(
    news: dict[str, Any],
    gradio: StandInGradio,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever watches reads that a batch waits in the app's queue, and behind how many."""
    monkeypatch.setattr(clock, "_WORTH_SAYING", 0.1)
    parts = [ESTIMATION, 0.15, news, 0.05, ESTIMATION, STARTS]
    gradio.streams = [lambda value: sse(*parts, completed(value))]
    with caplog.at_level(logging.WARNING):
        load(gradio.url).embed(["one"])
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"a batch waits in the queue of {gradio.url} for 0 s now, 2 before it")


@pytest.mark.parametrize(("setting", "most"), [({}, 2), ({"EMBEDDING_MAX_CONCURRENCY": 5}, 5)])
def test_two_calls_are_in_flight_unless_more_are_asked_for(
    setting: dict[str, Any], most: int, gradio: StandInGradio, load: Load
) -> None:
    """One is computed, one waits; EMBEDDING_MAX_CONCURRENCY is for apps that compute several."""
    generator = load(gradio.url, BATCH_SIZE=1, **setting)
    generator.embed(["first"])
    assert generator.limits.concurrency == most


def test_the_queue_of_4_0_is_waited_for(server: StandIn, load: Load, right: Right) -> None:
    """The first queue over events tells the same of itself, and has the same patience."""
    value = {"data": [fake_vector("one")]}
    asked = {"msg": "send_data", "event_id": "e"}
    parts = [ESTIMATION, 0.8, asked, STARTS, completed(value)]
    posted: list[Request] = []

    def data(request: Request) -> Answer:
        posted.append(request)
        return reply(None)

    server.on("GET /config", reply(config("sse", "")))
    server.on("GET /queue/join", sse(*parts))
    server.routes["POST /queue/data"] = data
    result = load(server.url, EMBEDDING_TIMEOUT=0.4).embed(["one"])
    np.testing.assert_allclose(result.vectors, right(["one"]))
    assert len(posted) == 1
