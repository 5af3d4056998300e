"""HTTP/1.1 with keep-alive over asyncio streams: just what the stand-in needs, and its breakage.

A ``Delivery`` writes an answer to the connection, wholly or not; it returns whether the
connection may be used again.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

__all__ = [
    "Delivery",
    "Request",
    "Response",
    "chunked",
    "cut_off",
    "drip",
    "hang",
    "json_response",
    "read_request",
    "reset",
    "until_close",
    "whole",
    "whole_and_close",
]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; header names are in small letters, the path is still encoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: status, body, headers beyond Content-Length."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def head(self, *, length: bool = True) -> bytes:
        """Status line and headers, up to the empty line."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"content-length: {len(self.body)}"] if length else []
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


_TLS_HELLO = b"\x16"
"""Begins what a client says that takes this for https."""

Delivery = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Response], Awaitable[bool]]


def json_response(
    status: int, payload: object, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer in JSON."""
    body = json.dumps(payload).encode()
    return Response(status, body, {"content-type": "application/json", **(headers or {})})


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Request | None:
    """The next request of a connection; None where the client has gone, or speaks TLS."""
    try:
        first_byte = await reader.readexactly(1)
        if first_byte == _TLS_HELLO:
            await whole(reader, writer, Response(400, b"Client sent TLS to an HTTP server."))
            return None
        head = first_byte + await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    try:
        body = await _read_body(reader, headers)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Request(method, parts.path, query, headers, body)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length") or 0))
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()
    return body


async def whole(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: Response
) -> bool:
    """The answer as it should be."""
    writer.write(response.head() + response.body)
    await writer.drain()
    return True


async def whole_and_close(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: Response
) -> bool:
    """The answer as it should be; then the connection is closed without having said so."""
    await whole(reader, writer, response)
    return False


async def chunked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: Response
) -> bool:
    """The answer in chunks of odd sizes, without a length: valid, and what many proxies do."""
    headers = {**response.headers, "transfer-encoding": "chunked"}
    writer.write(Response(response.status, b"", headers).head(length=False))
    for start in range(0, len(response.body), 1009):
        piece = response.body[start : start + 1009]
        writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


async def until_close(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: Response
) -> bool:
    """The answer as HTTP/1.0 has it: without a length, it ends with the connection."""
    writer.write(response.head(length=False).replace(b"HTTP/1.1", b"HTTP/1.0", 1) + response.body)
    await writer.drain()
    return False


def cut_off(share: float, *, abort: bool = False) -> Delivery:
    """A delivery that ends after a share of the body: closed in order, or reset."""

    async def deliver(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: Response
    ) -> bool:
        writer.write(response.head() + response.body[: int(len(response.body) * share)])
        await writer.drain()
        if abort:
            await asyncio.sleep(0.02)  # else the reset overtakes what was written
            _reset(writer)
        return False

    return deliver


async def reset(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: Response
) -> bool:
    """No answer: the connection is reset."""
    _reset(writer)
    return False


def drip(seconds: float, *, pieces: int = 20) -> Delivery:
    """A delivery in pieces that takes so many seconds."""

    async def deliver(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: Response
    ) -> bool:
        raw = response.head() + response.body
        step = -(-len(raw) // pieces)
        for start in range(0, len(raw), step):
            writer.write(raw[start : start + step])
            await writer.drain()
            await asyncio.sleep(seconds / pieces)
        return True

    return deliver


def hang(share: float | None = None) -> Delivery:
    """A delivery that never ends: nothing is said, or a share of the body and then nothing."""

    async def deliver(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: Response
    ) -> bool:
        if share is not None:
            writer.write(response.head() + response.body[: int(len(response.body) * share)])
            await writer.drain()
        with suppress(ConnectionError):
            await reader.read()
        return False

    return deliver


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
