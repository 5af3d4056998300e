"""A stream: a row of calls over consecutive windows, a bounded number under way at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .calls import Call, end_all, end_all_async
from .errors import EmbeddingFailed
from .windows import async_windows, windows

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator

    from .engine.run import Ran
    from .result import Embeddings

__all__ = ["Streaming"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """How a stream reaches its generator.

    Attributes:
        begin: starts a call with one window.
        conclude: the result of a call that has ended, or its error; with the position of its
            first text in the stream.
        keep: hangs what was finished of consecutive calls on the exception that ended them.
        size: most texts in a window.
        ahead: most windows under way.
    """

    begin: Callable[[Call[Ran], list[str]], None]
    conclude: Callable[[Ran, int], Embeddings]
    keep: Callable[[BaseException, list[Ran]], None]
    size: int
    ahead: int

    def stream(self, texts: Iterable[str]) -> Iterator[Embeddings]:
        """The results of consecutive windows, in order, each as soon as it is there."""
        calls: deque[Call[Ran]] = deque()
        start = 0
        try:
            for window in windows(texts, self.size):
                calls.append(Call())
                self.begin(calls[-1], window)
                while self._must_hand_out(calls):
                    part = self.conclude(calls[0].wait(), start)
                    calls.popleft()
                    start += len(part)
                    yield part
            while calls:
                part = self.conclude(calls[0].wait(), start)
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
        """``stream`` for coroutines."""
        calls: deque[Call[Ran]] = deque()
        start = 0
        try:
            async for window in async_windows(texts, self.size):
                calls.append(Call())
                self.begin(calls[-1], window)
                while self._must_hand_out(calls):
                    part = self.conclude(await calls[0].wait_async(), start)
                    calls.popleft()
                    start += len(part)
                    yield part
            while calls:
                part = self.conclude(await calls[0].wait_async(), start)
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

    def _must_hand_out(self, calls: deque[Call[Ran]]) -> bool:
        return len(calls) >= self.ahead or bool(calls and calls[0].done())
