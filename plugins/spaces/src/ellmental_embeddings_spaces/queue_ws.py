"""Gradio 3.x: the queue behind a WebSocket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ellmental_embeddings import ConfigurationError

from .websocket import Refused, open_websocket

if TYPE_CHECKING:
    from .call import Call, Output

__all__ = ["call_over_websocket"]


async def call_over_websocket(call: Call) -> Output:
    """Call an endpoint: it asks for a session, then for the data, then sends the output."""
    session = {"fn_index": call.endpoint.function, "session_hash": call.session}
    answers = {"send_hash": session, "send_data": call.body()}
    try:
        async with open_websocket(call.site, "/queue/join") as socket:
            async for message in socket.messages():
                # Only the small messages, which ask for something, are looked into here.
                asked = json.loads(message).get("msg") if len(message) < 1_000 else None  # noqa: PLR2004
                if asked in answers:
                    await socket.send(json.dumps(answers[asked], ensure_ascii=False).encode())
                elif (output := call.result(message)) is not None:
                    return output
    except Refused as refused:
        if refused.answer.is_json or not call.app.address.is_space:
            raise ConfigurationError(
                f"{call.app.shown} takes direct calls as little as it has a queue: its author has "
                "to add demo.queue(), or not to close the API (api_open)."
            ) from None
        raise await call.unexpected(refused.answer) from None
    raise call.lost()
