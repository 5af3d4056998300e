"""Gradio 4 to 6: the queue behind server-sent events."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx

from ellmental_embeddings import EmbeddingError, Unavailable
from ellmental_embeddings.decoding import parse

from .events import event_data
from .wire import MOST_BYTES, sticky_to, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .call import Call, Output
    from .wire import Answer

__all__ = ["call_over_sse", "call_over_sse_of_4_0"]


async def call_over_sse(call: Call) -> Output:
    """Call an endpoint, protocols sse_v1 to sse_v3: the data is posted, the stream has the output.

    The stream of a lost result has heartbeats for ever: the engine's EMBEDDING_TIMEOUT ends it.
    """
    answer = await call.site.ask("POST", f"{call.prefix}/queue/join", call.body())
    content = answer.content() if answer.is_json else None
    if answer.status != 200 or not isinstance(content, dict) or "event_id" not in content:  # noqa: PLR2004
        raise await _refused(call, answer)
    path = f"{call.prefix}/queue/data?session_hash={call.session}"
    headers = {**_ACCEPT, **answer.sticky}
    async with call.site.stream("GET", path, headers=headers) as response:
        await _check(call, response)
        events = event_data(response.aiter_bytes(), most=MOST_BYTES)
        async for data in events:
            if (output := call.result(data)) is not None:
                await _run_out(events)
                return output
    raise call.lost()


async def call_over_sse_of_4_0(call: Call) -> Output:
    """Call an endpoint, protocol sse: the stream asks for the data, which is posted beside it."""
    path = f"{call.prefix}/queue/join?fn_index={call.endpoint.function}&session_hash={call.session}"
    async with call.site.stream("GET", path, headers=_ACCEPT) as response:
        await _check(call, response)
        events = event_data(response.aiter_bytes(), most=MOST_BYTES)
        async for data in events:
            if (output := call.result(data)) is not None:
                await _run_out(events)
                return output
            asked = parse(data)
            if asked.at(("msg",)) == "send_data":
                event = asked.at(("event_id",))
                body = call.body(event_id=event)
                answer = await call.site.ask(
                    "POST", f"{call.prefix}/queue/data", body, headers=sticky_to(response)
                )
                if answer.status != 200:  # noqa: PLR2004 - HTTP's own number
                    raise await _refused(call, answer)
    raise call.lost()


_ACCEPT = {"accept": "text/event-stream"}
_END_S = 0.05
"""Seconds for a stream to end after its output; Gradio ends it at once, a gateway may not."""


async def _run_out(events: AsyncIterator[bytes]) -> None:
    """Read a stream to its end: only then does its connection serve the next request."""
    with suppress(TimeoutError, EmbeddingError, httpx.HTTPError):  # the output has come
        async with asyncio.timeout(_END_S):
            async for _ in events:
                pass


async def _check(call: Call, response: httpx.Response) -> None:
    kind = response.headers.get("content-type", "")
    if response.status_code != 200 or not kind.startswith("text/event-stream"):  # noqa: PLR2004
        raise await _refused(call, await whole(response))


async def _refused(call: Call, answer: Answer) -> Exception:
    if answer.is_json and answer.status == 404:  # noqa: PLR2004 - the app was there a moment ago
        return Unavailable(f"{call.app.shown} has changed: it answered {answer.told()}")
    return await call.unexpected(answer)
