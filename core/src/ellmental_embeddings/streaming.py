"""A stream: a row of calls over consecutive windows, a bounded number under way at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .calls import Call, end_all, end_all_async
from .errors import EmbeddingFailed
from .windows import async_windows, windows

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Callable,
        Iterable,
        Iterator,
    )

    from .engine.run import Ran
    from .progress import Reporter
    from .result import Embeddings

__all__ = ["Streaming", "window_sizes"]

_BATCHES_PER_WINDOW = 8
"""A stream hands out parts of so many batches: enough to fold duplicates and to keep requests
in flight while the oldest part is finished, few enough to stay small in memory."""


def window_sizes(batch: int, concurrency: int) -> tuple[int, int]:
    """Texts in a window, and windows under way: a quarter more requests than can be sent."""
    return batch * _BATCHES_PER_WINDOW, concurrency * 5 // 4 // _BATCHES_PER_WINDOW + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """How a stream reaches its generator.

    Attributes:
        begin: starts a call with one window.
        conclude: the result of a call that has ended, or its error; with the position of its
            first text in the stream.
        keep: hangs what was finished of consecutive calls on the exception that ended them.
        reporter: waits for the calls, and tells whoever watches meanwhile.
        size: most texts in a window.
        ahead: most windows under way.
    """

    begin: Callable[[Call[Ran], list[str]], None]
    conclude: Callable[[Ran, int], Embeddings]
    keep: Callable[[BaseException, list[Ran]], None]
    reporter: Reporter
    size: int
    ahead: int

    def stream(self, texts: Iterable[str]) -> Iterator[Embeddings]:
        """The results of consecutive windows, in order, each as soon as it is there."""
        with self.reporter:
            yield from self._stream(texts)

    def _stream(self, texts: Iterable[str]) -> Iterator[Embeddings]:
        calls: deque[Call[Ran]] = deque()
        start = 0
        try:
            for window in windows(texts, self.size):
                calls.append(Call())
                self.begin(calls[-1], window)
                while self._must_hand_out(calls):
                    part = self.conclude(self.reporter.wait(calls[0]), start)
                    calls.popleft()
                    start += len(part)
                    yield part
            while calls:
                part = self.conclude(self.reporter.wait(calls[0]), start)
                calls.popleft()
                start += len(part)
                yield part
        except (EmbeddingFailed, GeneratorExit):
            raise
        except BaseException as error:
            self.keep(error, end_all(calls))
            raise
        finally:
            end_all(calls)

    async def astream(self, texts: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[Embeddings]:
        """``stream`` for coroutines; a part is handed out while the next texts are waited for."""
        calls: deque[Call[Ran]] = deque()
        source = async_windows(texts, self.size)
        coming: asyncio.Future[list[str] | None] | None = None
        start, over = 0, False
        try:
            while calls or not over:
                if coming is None and not over and len(calls) < self.ahead:
                    coming = asyncio.ensure_future(_following(source))
                if coming is not None and await self._is_first(coming, calls):
                    window, coming = coming.result(), None
                    over = window is None
                    if window is not None:
                        calls.append(Call())
                        self.begin(calls[-1], window)
                    continue
                part = self.conclude(await self.reporter.wait_async(calls[0]), start)
                calls.popleft()
                start += len(part)
                yield part
        except (EmbeddingFailed, GeneratorExit):
            raise
        except BaseException as error:
            self.keep(error, await end_all_async(calls, during=error))
            raise
        finally:
            await end_all_async(calls)
            if coming is not None:
                coming.cancel()
                with suppress(BaseException):  # what it would have brought is not wanted any more
                    await coming
            await source.aclose()
            self.reporter.end()

    async def _is_first(
        self, coming: asyncio.Future[list[str] | None], calls: deque[Call[Ran]]
    ) -> bool:
        """Wait for the next window or for the oldest call; whether it was the window."""
        if not calls:
            while not coming.done():
                await asyncio.wait({coming}, timeout=self.reporter.every)
                self.reporter.report()
            return True
        head: asyncio.Future[None] = asyncio.ensure_future(calls[0].ended())
        waited: set[asyncio.Future[Any]] = {coming, head}
        try:
            while not (coming.done() or head.done()):
                await asyncio.wait(
                    waited, timeout=self.reporter.every, return_when=asyncio.FIRST_COMPLETED
                )
                self.reporter.report()
        finally:
            head.cancel()
        return coming.done()

    def _must_hand_out(self, calls: deque[Call[Ran]]) -> bool:
        return len(calls) >= self.ahead or bool(calls and calls[0].done())


async def _following(source: AsyncGenerator[list[str]]) -> list[str] | None:
    return await anext(source, None)
