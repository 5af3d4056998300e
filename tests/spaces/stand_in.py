"""A small HTTP server on loopback, for what no real server can be made to do.

Routes answer with what the test says: a status and a body, or a stream that pauses, breaks or
never ends. Every request is kept, so that tests can look at what was sent to whom.
"""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import TracebackType
    from typing import Self

__all__ = ["CUT", "Answer", "Request", "StandIn", "html", "reply", "sse"]

CUT = None
"""In a stream: the connection is cut here, within the body."""


@dataclass(frozen=True)
class Request:
    """What came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        """Its JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What is answered.

    Attributes:
        parts: bytes are sent, a number is waited for in seconds, CUT breaks the connection.
    """

    status: int = 200
    kind: str = "application/json"
    parts: Sequence[bytes | float | None] = ()
    headers: dict[str, str] = field(default_factory=dict)


def reply(content: object, status: int = 200, **headers: str) -> Answer:
    """An answer of JSON; headers are written with underscores."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, parts=[body], headers=named)


def html(text: str, status: int = 200) -> Answer:
    """A page."""
    return Answer(status, "text/html; charset=utf-8", [text.encode()])


def sse(*parts: object) -> Answer:
    """A stream of events: bytes as they are, numbers to wait, CUT, all else as an event's JSON."""
    sent: list[bytes | float | None] = []
    for part in parts:
        if part is None or isinstance(part, bytes | float):
            sent.append(part)
        else:
            sent.append(b"data: " + json.dumps(part).encode() + b"\n\n")
    return Answer(200, "text/event-stream; charset=utf-8", sent)


class StandIn:
    """The server, in a thread of its own.

    Attributes:
        routes: ``"METHOD /path"`` to a handler; what is not there is answered with 404.
        requests: all that came, in order.
    """

    def __init__(self) -> None:
        self.routes: dict[str, Callable[[Request], Answer | Awaitable[Answer]]] = {}
        self.requests: list[Request] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def on(self, route: str, *answers: Answer) -> None:
        """Answer a route with these, one after the other; the last one from then on."""
        left = list(answers)
        self.routes[route] = lambda request: left.pop(0) if len(left) > 1 else left[0]

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [f"{request.method} {request.path}" for request in self.requests]

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for _ in range(5):  # one accepted just now is to be known, and so closed, too
            await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while request := await _read(reader):
                self.requests.append(request)
                await self._answer(request, writer)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        handler = self.routes.get(f"{request.method} {request.path}")
        answer = reply({"detail": "Not Found"}, 404) if handler is None else handler(request)
        if not isinstance(answer, Answer):
            answer = await answer
        lines = [f"HTTP/1.1 {answer.status} X", f"content-type: {answer.kind}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines += ["transfer-encoding: chunked", "", ""]
        writer.write("\r\n".join(lines).encode())
        for part in answer.parts:
            if part is None:
                await writer.drain()
                raise ConnectionError
            if isinstance(part, float):
                await asyncio.sleep(part)
            elif part:
                writer.write(b"%x\r\n%s\r\n" % (len(part), part))
                await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    begin = await reader.read(1)
    if not begin.isalpha():
        return None  # the end; or the hello of TLS, which is hung up on
    head = begin + await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Request(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
