"""Cookies for sticky replicas: the stream has to be asked for where the call was posted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from stand_in import Answer, Request, sse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conftest import Load
    from numpy.typing import NDArray
    from stand_in_gradio import StandInGradio

    Right = Callable[[Iterable[str]], NDArray[np.float32]]

TEXTS = ["one", "two", "three"]
_QUEUE = ("POST /gradio_api/queue/join", "GET /gradio_api/queue/data")


def test_cookies_keep_a_call_on_its_replica(
    gradio: StandInGradio, load: Load, right: Right
) -> None:
    """The stream is asked for with the cookie that the post set: another replica knows nothing."""
    join, data = (gradio.routes[f"{key}"] for key in _QUEUE)

    def joined(request: Request) -> Answer:
        answer = join(request)
        assert isinstance(answer, Answer)
        return Answer(200, parts=answer.parts, headers={"set-cookie": "replica=b; Path=/"})

    def streamed(request: Request) -> Any:
        stuck = "replica=b" in request.headers.get("cookie", "")
        lost = {"msg": "unexpected_error", "message": "404: Session not found."}
        return data(request) if stuck else sse(lost)

    gradio.routes[_QUEUE[0]], gradio.routes[_QUEUE[1]] = joined, streamed
    result = load(gradio.url).embed(TEXTS)
    np.testing.assert_allclose(result.vectors, right(TEXTS))
    assert result.usage.retries == 0


def test_calls_at_once_are_not_led_to_each_other_s_replica(
    gradio: StandInGradio, load: Load, right: Right
) -> None:
    """Where each call's post sets another cookie, its stream goes by its own, not by the last."""
    join, data = (gradio.routes[f"{key}"] for key in _QUEUE)
    replicas: dict[str, str] = {}

    def joined(request: Request) -> Answer:
        answer = join(request)
        assert isinstance(answer, Answer)
        replica = f"replica-{len(replicas)}"
        replicas[request.content["session_hash"]] = replica
        cookie = {"set-cookie": f"at={replica}; Path=/; HttpOnly"}
        # The post is answered in two parts, so that others come in between.
        return Answer(200, parts=[b"", 0.1, *answer.parts], headers=cookie)

    def streamed(request: Request) -> Any:
        own = f"at={replicas[request.query['session_hash']]}"
        lost = {"msg": "unexpected_error", "message": "404: Session not found."}
        return data(request) if own in request.headers.get("cookie", "") else sse(lost)

    gradio.routes[_QUEUE[0]], gradio.routes[_QUEUE[1]] = joined, streamed
    result = load(gradio.url, BATCH_SIZE=1, EMBEDDING_MAX_CONCURRENCY=3).embed(TEXTS)
    np.testing.assert_allclose(result.vectors, right(TEXTS))
    assert result.usage.retries == 0
    assert len(replicas) == 3
