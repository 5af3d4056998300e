"""The stand-in server: joins prepared bytes, so that it is never what a client waits for.

    python fast_server.py WIDTH LATENCY_MS CORE      prints its port; CORE -1 pins it nowhere

It answers ``POST .../embeddings`` as OpenAI does, base64 or floats as asked. ``GET /cpu`` says
how many seconds of CPU it has used, so that a run can show that it was not the bottleneck.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
import sys
import time
from base64 import b64encode

from numbered import ROWS, prepared_rows

_NUMBER = re.compile(rb"text (\d{8}) ")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)

_MOST = 4_096
"""Texts in a request that are prepared for."""


class Answers:
    """Answers' bodies, joined from what was prepared."""

    def __init__(self, width: int) -> None:
        rows = prepared_rows(width)
        # Three floats are sixteen letters of base64: the first three hold the text's number.
        self._second = [row[1:3].astype("<f4").tobytes() for row in rows]
        self._base64 = [b64encode(row[3:].astype("<f4").tobytes()) + b'"\n    }' for row in rows]
        self._floats = [
            b"".join(b",\n        %.9g" % number for number in row[1:].tolist())
            + b"\n      ]\n    }"
            for row in rows
        ]
        opening = (
            '{0}\n    {{\n      "object": "embedding",\n      "index": {1},\n      "embedding": '
        )
        self._openings = [
            opening.format("," if place else "", place).encode() for place in range(_MOST)
        ]

    def body(self, request: bytes) -> list[bytes]:
        """The pieces of the answer to a request's body."""
        numbers = [int(digits) for digits in _NUMBER.findall(request)]
        pieces = [b'{\n  "object": "list",\n  "data": [']
        if b"base64" in request:
            for opening, number in zip(self._openings, numbers, strict=False):
                row = number % ROWS
                start = b64encode(struct.pack("<f", number) + self._second[row])
                pieces += (opening, b'"', start, self._base64[row])
        else:
            for opening, number in zip(self._openings, numbers, strict=False):
                pieces += (opening, b"[\n        %d" % number, self._floats[number % ROWS])
        tokens = 14 * len(numbers)
        pieces.append(
            b'\n  ],\n  "model": "text-embedding-3-small",\n  "usage": {\n'
            b'    "prompt_tokens": %d,\n    "total_tokens": %d\n  }\n}\n' % (tokens, tokens)
        )
        return pieces


class Connection(asyncio.Protocol):
    """One client's connection; its requests come one after another."""

    def __init__(self, answers: Answers, latency: float) -> None:
        self._answers, self._latency = answers, latency
        self._received = bytearray()
        self._whole = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answers are large: let the system take them at once."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 23)
        transport.set_write_buffer_limits(1 << 26)

    def data_received(self, data: bytes) -> None:
        """Collect a request; answer it as soon as it is whole."""
        self._received += data
        if len(self._received) < self._whole:
            return
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end)
        self._whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._received) < self._whole:
            return
        head, body = bytes(self._received[:end]), bytes(self._received[end + 4 : self._whole])
        del self._received[: self._whole]
        self._whole = 0
        if head.startswith(b"GET"):
            self._send([b"%.6f" % time.process_time()])
        elif self._latency:
            asyncio.get_running_loop().call_later(
                self._latency, self._send, self._answers.body(body)
            )
        else:
            self._send(self._answers.body(body))

    def _send(self, pieces: list[bytes]) -> None:
        length = sum(map(len, pieces))
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"openai-processing-ms: 20\r\nx-ratelimit-limit-requests: 10000\r\n"
            b"x-ratelimit-remaining-requests: 9999\r\nx-ratelimit-reset-requests: 6ms\r\n"
            b"x-request-id: req_0123456789abcdef\r\nContent-Length: %d\r\n\r\n" % length
        )
        if not self._transport.is_closing():
            self._transport.write(b"".join([head, *pieces]))


async def serve(width: int, latency_ms: float) -> None:
    """Serve until the process is ended; says its port first."""
    answers = Answers(width)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(answers, latency_ms / 1000), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if int(sys.argv[3]) >= 0:
        os.sched_setaffinity(0, {int(sys.argv[3])})
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
