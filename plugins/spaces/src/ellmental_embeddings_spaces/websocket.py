"""A WebSocket client (RFC 6455) over httpx's own connection: text messages, both ways.

Gradio 3.x's queue speaks nothing else. Taking the upgraded connection from httpx keeps its
proxies, certificates, cookies and headers, and needs no second HTTP client.
"""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import httpcore

from ellmental_embeddings import BadReply, BatchTooLarge, Unavailable

from .wire import MOST_BYTES, Answer, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .wire import Site

__all__ = ["Refused", "WebSocket", "masked", "open_websocket"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FIN, _MASKED = 0x80, 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_MOST_CONTROL = 125
_HEAD = 2
"""Bytes of the shortest frame."""
_READ = 1 << 16


class Refused(Exception):
    """The server does not open a WebSocket here.

    Attributes:
        answer: what it said instead.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.told())
        self.answer = answer


class _Stream(Protocol):
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes: ...  # noqa: ASYNC109
    async def write(self, buffer: bytes, timeout: float | None = None) -> None: ...  # noqa: ASYNC109


@asynccontextmanager
async def open_websocket(site: Site, path: str) -> AsyncIterator[WebSocket]:
    """Open a WebSocket; it is closed at the end.

    Raises:
        Refused: the server answers something else.
        Unavailable: the connection breaks.
    """
    key = base64.b64encode(os.urandom(16))
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": key.decode(),
    }
    async with site.stream("GET", path, headers=headers) as response:
        if response.status_code != 101:  # noqa: PLR2004 - Switching Protocols
            raise Refused(await whole(response))
        proof = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()  # noqa: S324
        if response.headers.get("sec-websocket-accept", "") != proof:
            raise BadReply("the server opened a WebSocket without having understood it")
        try:
            yield WebSocket(response.extensions["network_stream"])
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise Unavailable(f"the WebSocket broke: {type(error).__name__} {error}") from None


class WebSocket:
    """An open WebSocket, the client's side."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self._read = bytearray()

    async def send(self, message: bytes) -> None:
        """Send a text message (UTF-8)."""
        await self._send(_TEXT, message)

    async def messages(self) -> AsyncIterator[bytes]:
        """The messages that come, whole, until the server closes the connection.

        Raises:
            BatchTooLarge: a message is over MOST_BYTES.
            BadReply: the server breaks the protocol.
        """
        parts: list[bytes] = []
        size = 0
        while (frame := await self._frame()) is not None:
            final, kind, payload = frame
            if kind == _PING:
                await self._send(_PONG, payload)
            elif kind == _CLOSE:
                await self._send(_CLOSE, payload[:2])
                return
            elif kind in (_TEXT, _BINARY, _CONTINUED):
                parts.append(payload)
                size += len(payload) + _HEAD  # so that empty pieces come to an end as well
                if size > MOST_BYTES:
                    raise BatchTooLarge(f"a message of the answer is over {MOST_BYTES:,} bytes")
                if final:
                    yield b"".join(parts)
                    parts, size = [], 0
            elif kind != _PONG:
                raise BadReply(f"the server sent a WebSocket frame of unknown kind {kind}")

    async def _frame(self) -> tuple[bool, int, bytes] | None:
        """The next frame as (final, kind, payload); None at the end of the connection."""
        head = await self._exactly(_HEAD)
        if head is None:
            return None
        size = head[1] & 0x7F
        if size >= _TWO_BYTES:
            extended = await self._exactly(2 if size == _TWO_BYTES else 8)
            if extended is None:
                return None
            size = int.from_bytes(extended, "big")
        if head[1] & _MASKED or head[0] & 0x70:
            raise BadReply("the server sent a WebSocket frame that no server may send")
        if size > MOST_BYTES:
            raise BatchTooLarge(f"a message of the answer is over {MOST_BYTES:,} bytes")
        payload = await self._exactly(size)
        return None if payload is None else (bool(head[0] & _FIN), head[0] & 0x0F, payload)

    async def _exactly(self, size: int) -> bytes | None:
        while len(self._read) < size:
            more = await self._stream.read(_READ)
            if not more:
                return None
            self._read += more
        taken = bytes(self._read[:size])
        del self._read[:size]
        return taken

    async def _send(self, kind: int, payload: bytes) -> None:
        size = len(payload)
        head = bytearray([_FIN | kind])
        if size <= _MOST_CONTROL:
            head.append(_MASKED | size)
        elif size < 1 << 16:
            head.append(_MASKED | _TWO_BYTES)
            head += size.to_bytes(2, "big")
        else:
            head.append(_MASKED | _EIGHT_BYTES)
            head += size.to_bytes(8, "big")
        mask = os.urandom(4)
        await self._stream.write(bytes(head) + mask + masked(payload, mask))


def masked(payload: bytes, mask: bytes) -> bytes:
    """The payload with the mask laid over it, as one big number: a batch has megabytes."""
    size = len(payload)
    cover = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(cover, "little")).to_bytes(
        size, "little"
    )
