"""HTTP/1.1 as the fault server speaks it: a request as it came, an answer, and its breakage."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Answer", "Delivery", "Request", "deliver", "read_request"]

Delivery = Literal["whole", "reset", "reset midway", "close midway", "hang", "drip"]
"""How an answer reaches the client, or does not."""

_DRIP_S = 0.1
"""Seconds between two bytes of a dripping answer: each comes within any time-out of its own."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came.

    Attributes:
        method: in capitals.
        path: still encoded, without the query.
        query: the last value of each name.
        headers: names in small letters.
        body: as it came.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer.

    Attributes:
        status: HTTP's number.
        content: bytes are sent as they are, all else as JSON.
        kind: its Content-Type.
        headers: beside Content-Type and Content-Length.
    """

    content: object = b""
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """Its bytes. NaN and infinity are spelled as Python's json does."""
        if isinstance(self.content, bytes):
            return self.content
        return json.dumps(self.content).encode("utf-8", "surrogatepass")

    def head(self) -> bytes:
        """Status line and headers, up to the empty line."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", f"content-type: {self.kind}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"content-length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1")


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection; None where the client has gone, or speaks no HTTP."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await _read_body(reader, headers)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        return None
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Request(method.upper(), parts.path, query, headers, body)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length") or 0))
    parts = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(parts)


async def deliver(
    answer: Answer, how: Delivery, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Send an answer, wholly or not; True where the connection may be used again."""
    raw = answer.head() + answer.body
    if how == "whole":
        writer.write(raw)
        await writer.drain()
        return True
    if how == "hang":
        await reader.read()  # until the client goes
        return False
    if how == "drip":
        await _drip(raw, writer)
        return True
    if how in ("reset midway", "close midway"):
        writer.write(raw[: len(raw) - max(1, len(answer.body) // 2)])
        await writer.drain()
        await asyncio.sleep(0.02)  # else a reset overtakes what was written
    if how in ("reset", "reset midway"):
        _reset(writer)
    return False


async def _drip(raw: bytes, writer: asyncio.StreamWriter) -> None:
    for place in range(len(raw)):
        writer.write(raw[place : place + 1])
        await writer.drain()
        await asyncio.sleep(_DRIP_S)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
