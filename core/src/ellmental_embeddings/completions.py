"""Finished batches as they come: whatever order they finish in, none is held back for another."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from .calls import Call, end_all
from .engine.watch import Drain, Watch
from .result import Embeddings
from .windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from .engine.run import Ran
    from .engine.watch import Decided
    from .loop import LoopThread
    from .progress import Reporter
    from .result import Space

__all__ = ["CompletedBatch", "Completions"]

_SPAN = 4
"""How far the input is read beyond the oldest unfinished window, in numbers of windows under
way: one text that is tried again for minutes holds nobody up for long, and memory is bounded."""

_MOMENT = 0.1
"""Seconds that reading on waits for a finished batch where the texts ask it to."""

PATIENCE = 30.0
"""Seconds that what is in flight is waited for, where nothing else is said."""


class CompletedBatch(NamedTuple):
    """One finished batch of a stream.

    Attributes:
        positions: int64, ascending: which texts of the stream, counted from 0.
        result: their vectors, outcomes and usage; row i belongs to ``positions[i]``. Texts that
            failed for good are NaN rows, in ``result.failed``.
    """

    positions: NDArray[np.int64]
    result: Embeddings


class Completions:
    """Yields finished batches of a stream of texts, each as soon as it is there.

    Made by ``EmbeddingGenerator.as_completed``; to be iterated in one thread. However it ends -
    the service cannot be used, the texts' iterable raises, ``stop`` - the batches that were
    finished by then, or were in flight, are handed out first; an error is raised after them.
    """

    def __init__(
        self,
        texts: Iterable[str | None],
        *,
        begin: Callable[[Call[Ran], list[str], Watch], None],
        loop: LoopThread,
        space: Callable[[], Space],
        reporter: Reporter,
        size: int,
        ahead: int,
    ) -> None:
        self._texts = texts
        self._begin = begin
        self._loop = loop
        self._space = space
        self._reporter = reporter
        self._size = size
        self._ahead = ahead
        self._events: SimpleQueue[_Told | Call[Ran] | None] = SimpleQueue()
        self._drain = Drain(changed=lambda: self._events.put(None))
        self._calls: deque[Call[Ran]] = deque()  # from the oldest that is under way
        self._ended: set[Call[Ran]] = set()  # those among them
        self._begun = 0  # texts
        self._stopping = False
        self._until = float("inf")
        self._error: Exception | None = None
        self._batches = self._run()

    def stop(self, within: float = PATIENCE) -> None:
        """Send nothing more; what is in flight is still handed out, then the iteration ends.

        May be called from any thread, and from a signal handler.

        Args:
            within: seconds to wait for what is in flight; then it is cancelled.
        """
        self._until = min(self._until, time.monotonic() + within)
        self._stopping = True
        self._loop.soon(self._drain.begin)

    def close(self) -> None:
        """Cancel at once whatever is under way. Leaving the iteration does the same."""
        self._batches.close()
        end_all(self._calls)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> CompletedBatch:
        return next(self._batches)

    def _run(self) -> Generator[CompletedBatch]:
        try:
            try:
                yield from self._read()
            except Exception as error:  # noqa: BLE001 - raised below, whatever it is
                self._error = self._error or error
                self.stop()
            while self._calls or not self._events.empty():
                yield from self._event()
            if self._error is not None:
                raise self._error
        finally:
            end_all(self._calls)
            self._reporter.end(self._error)

    def _read(self) -> Iterator[CompletedBatch]:
        window = Window[str](self._size)
        for text in self._texts:
            full = text is None or window.add(text)
            if full and (texts := window.take()):
                if self._is_ending():
                    return
                self._start(texts)
            if text is None and self._calls:
                yield from self._event(_MOMENT)
            if full:
                yield from self._events_until_there_is_room()
        if (rest := window.take()) and not self._is_ending():
            self._start(rest)

    def _events_until_there_is_room(self) -> Iterator[CompletedBatch]:
        while not self._is_ending() and (self._is_full() or not self._events.empty()):
            yield from self._event()

    def _start(self, window: list[str]) -> None:
        start = self._begun
        self._begun += len(window)

        def tell(decided: Decided) -> asyncio.Future[None]:
            told = _Told(start, decided, asyncio.get_running_loop().create_future())
            self._events.put(told)
            return told.taken

        call: Call[Ran] = Call()
        self._calls.append(call)
        call.when_done(lambda: self._events.put(call))
        try:
            self._begin(call, window, Watch(tell, self._drain))
        except Exception:
            call.abandon()
            raise

    def _is_full(self) -> bool:
        under_way = len(self._calls) - len(self._ended)
        return under_way >= self._ahead or len(self._calls) >= self._ahead * _SPAN

    def _is_ending(self) -> bool:
        return self._stopping or self._drain.begun

    def _event(self, within: float = float("inf")) -> Iterator[CompletedBatch]:
        """Wait for what happens next, and hand it out where it is a batch."""
        if self._drain.begun:
            self._until = min(self._until, time.monotonic() + PATIENCE)
        self._reporter.report()
        wait = min(within, max(self._until - time.monotonic(), 0))
        try:
            event = self._events.get(timeout=None if wait == float("inf") else wait)
        except Empty:
            if time.monotonic() >= self._until:
                end_all(self._calls)
                for call in [*self._calls]:  # a plugin that cannot be cancelled is not waited for
                    call.abandon()
            return
        if isinstance(event, _Told):
            yield self._batch(event)
            self._loop.soon(event.take)
        elif event is not None:
            self._over(event)
        elif not self._drain.asking:
            end_all(self._calls)  # nothing is in flight: what waits to be sent need not

    def _over(self, call: Call[Ran]) -> None:
        self._error = self._error or _why(call)
        self._ended.add(call)
        while self._calls and self._calls[0] in self._ended:
            self._ended.remove(self._calls.popleft())

    def _batch(self, told: _Told) -> CompletedBatch:
        result = Embeddings(
            vectors=told.decided.vectors,
            outcomes=told.decided.outcomes,
            usage=told.decided.usage,
            space=self._space(),
        )
        return CompletedBatch(told.decided.positions + told.start, result)


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """A batch on its way from the engine's loop to the thread that iterates."""

    start: int
    decided: Decided
    taken: asyncio.Future[None]

    def take(self) -> None:
        """Let the engine go on; on its loop."""
        if not self.taken.done():
            self.taken.set_result(None)


def _why(call: Call[Ran]) -> Exception | None:
    """The error of the service as a whole that a call has ended with, or None."""
    try:
        stopped = call.wait().stopped
    except Exception as error:  # noqa: BLE001 - raised when all else is handed out
        return error
    return stopped if isinstance(stopped, Exception) else None
