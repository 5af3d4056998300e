"""FaultServer: a real HTTP/1.1 server on loopback that answers well, or as badly as it is told."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from .vectors import Item, Row, vector_of
from .wire import Answer, Request, deliver, read_request

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from .faults import Fault

__all__ = ["FaultServer", "Speaks"]

_WIDTH = 16
_LARGEST_HEAD = 1 << 20
_LONGEST_HOLD_S = 4.0


class Speaks(Protocol):
    """The protocol of a service, as the author of its generator describes it."""

    def texts_of(self, request: Request) -> Sequence[Item] | None:
        """What a request wants to be embedded; None where it wants something else."""

    def reply(self, request: Request, rows: Sequence[Row]) -> object:
        """The body of a good answer with these rows."""

    def error(self, status: int, message: str) -> object:
        """The body of a refusal."""

    def other(self, request: Request) -> object:
        """The answer to what is no request for embeddings; None is 404."""


class FaultServer:
    """Answers in a thread of its own, from ``with`` to its end, on a free port of 127.0.0.1.

    Args:
        speaks: how requests and replies look.
        secrets: what a refusal repeats of the client's keys, as some services do.

    Attributes:
        url: its address, without a path.
        width: numbers in a vector.
        requests: all that came, in order.
        asked: what each request for embeddings wanted to be embedded, in order.
        together: the most requests for embeddings that were being answered at one time.
        hold: so many requests for embeddings are waited for (four seconds at most) before the
            first is answered.
        trouble: what ``speaks`` raised, if it did: the test's own mistake, answered with 404.
    """

    def __init__(self, speaks: Speaks, secrets: Sequence[str] = ()) -> None:
        self.speaks = speaks
        self.secrets = tuple(secrets)
        self.url = ""
        self.width = _WIDTH
        self.hold = 0
        self.trouble: Exception | None = None
        self.forget()
        self._connections: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault-server", daemon=True)

    def forget(self) -> None:
        """Forget what was asked for and what was to go wrong."""
        self.requests: list[Request] = []
        self.asked: list[Sequence[Item]] = []
        self.together = 0
        self._answering = 0
        self._next: deque[Fault] = deque()
        self._always: Fault | None = None

    def next(self, *faults: Fault) -> None:
        """Let the next requests for embeddings go wrong, one fault each."""
        self._next.extend(faults)

    def always(self, fault: Fault | None) -> None:
        """Let every request for embeddings go wrong from now on; None ends it."""
        self._always = fault

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the fault server did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let nobody listen any more; doing it twice is fine."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(10)

    # From here on everything runs on the server's own loop.

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._came = asyncio.Condition()
        server = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, limit=_LARGEST_HEAD, backlog=256
        )
        host, port = server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        self._ready.set()
        await self._end.wait()
        server.close()
        for _ in range(5):  # one accepted just now is to be known, and so closed, too
            await asyncio.sleep(0)
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (request := await read_request(reader)) is not None:
                self.requests.append(request)
                if not await self._answered(request, reader, writer):
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answered(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        try:
            items = self.speaks.texts_of(request)
            answer = _as_answer(self.speaks.other(request)) if items is None else None
        except Exception as error:  # noqa: BLE001 - the author's code; told when the test ends
            return await deliver(self._troubled(error), "whole", reader, writer)
        if items is None or answer is not None:
            return await deliver(answer or Answer(), "whole", reader, writer)
        fault = self._next.popleft() if self._next else self._always
        self.asked.append(tuple(items))
        self._answering += 1
        self.together = max(self.together, self._answering)
        try:
            await self._held()
            try:
                answer = self._embedded(request, items, fault)
            except Exception as error:  # noqa: BLE001 - as above
                return await deliver(self._troubled(error), "whole", reader, writer)
            return await deliver(answer, fault.deliver if fault else "whole", reader, writer)
        finally:
            self._answering -= 1

    def _troubled(self, error: Exception) -> Answer:
        self.trouble = self.trouble or error
        return Answer(status=404, content={"error": f"the test's protocol raised {error!r}"})

    async def _held(self) -> None:
        async with self._came:
            self._came.notify_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_HOLD_S):
                    await self._came.wait_for(lambda: len(self.asked) >= self.hold)

    def _embedded(self, request: Request, items: Sequence[Item], fault: Fault | None) -> Answer:
        if fault is not None and fault.status != 200:  # noqa: PLR2004 - HTTP's own number
            message = fault.message.replace("{key}", " ".join(self.secrets) or "sk-unknown")
            refusal = _as_answer(self.speaks.error(fault.status, message))
            return replace(refusal, status=fault.status, headers=fault.headers)
        rows = [Row(index, vector_of(item, self.width)) for index, item in enumerate(items)]
        if fault is not None and fault.rows is not None:
            rows = fault.rows(rows)
        answer = _as_answer(self.speaks.reply(request, rows))
        if fault is not None and fault.body is not None:
            answer = replace(answer, content=fault.body(answer.body))
        if fault is not None and fault.kind is not None:
            answer = replace(answer, kind=fault.kind)
        return answer


def _as_answer(content: object) -> Answer:
    if content is None:
        return Answer(status=404, content={"detail": "Not Found"})
    return content if isinstance(content, Answer) else Answer(content=content)
