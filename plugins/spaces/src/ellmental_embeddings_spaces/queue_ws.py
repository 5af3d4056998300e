"""Gradio 3.x: the queue behind a WebSocket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ellmental_embeddings import ConfigurationError
from ellmental_embeddings.decoding import parse

from .failures import is_transient
from .websocket import Refused, open_websocket

if TYPE_CHECKING:
    from .call import Call, Output

__all__ = ["asked_for", "call_over_websocket"]

_SMALL = 1_000
"""Bytes. What asks for something is shorter: a longer message is not looked into twice."""


async def call_over_websocket(call: Call) -> Output:
    """Call an endpoint: it asks for a session, then for the data, then sends the output."""
    session = {"fn_index": call.endpoint.function, "session_hash": call.session}
    answers: dict[str | None, object] = {"send_hash": session, "send_data": call.body()}
    try:
        async with open_websocket(call.site, "/queue/join") as socket:
            async for message in socket.messages():
                answer = answers.get(asked_for(message))
                if answer is not None:
                    await socket.send(json.dumps(answer, ensure_ascii=False).encode())
                elif (output := call.result(message)) is not None:
                    return output
    except Refused as refused:
        answer = refused.answer
        if not is_transient(answer) and (answer.is_json or not call.app.address.is_space):
            raise ConfigurationError(
                f"{call.app.shown} takes direct calls as little as it has a queue: its author has "
                "to add demo.queue(), or not to close the API (api_open)."
            ) from None
        raise await call.unexpected(answer) from None
    raise call.lost()


def asked_for(message: bytes) -> str | None:
    """What a message of the queue asks for; None where it is no small message.

    Raises:
        BadReply: it is not JSON.
    """
    if len(message) > _SMALL:
        return None
    asked = parse(message).at(("msg",))
    return asked if isinstance(asked, str) else None
