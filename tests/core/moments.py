"""Calls that are ended at a random moment, in every way there is, and what must hold then.

Nothing runs on: no request, no task, no thread. What was finished is there, on its own rows. And
the generator still works. ``test_cancelling.py`` runs a thousand moments,
``tests/benchmarks/cancelling.py`` as many as are asked for.
"""

from __future__ import annotations

import asyncio
import random
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

import numpy as np
from scripted import ScriptedBackend, scripted_generator, vectors_of

from ellmental_embeddings import EmbeddingError, generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ellmental_embeddings import Batch, Embeddings, Reply

__all__ = ["KINDS", "Moments"]

TEXTS = [f"text {number}" for number in range(100)]
RIGHT = vectors_of(TEXTS)
LONGEST = 0.012
"""Seconds within which a call is ended: a little longer than it takes here."""


class Moments:
    """A generator whose calls are ended, again and again.

    Args:
        seed: decides all moments and delays.
        threads: whether the backend is a plain ``def``, which runs in threads.

    Attributes:
        ended: how often each kind of end came before the call was over.
        handed: rows that were finished, and handed out or kept.
    """

    def __init__(self, seed: int, *, threads: bool = False) -> None:
        self._random = random.Random(seed)
        self._threads = threads
        self._answered: set[str] = set()
        self.ended: Counter[str] = Counter()
        self.handed = 0
        self._load()

    def _load(self) -> None:
        self.generator, self.backend = scripted_generator(
            settings={"BATCH_SIZE": 5, "EMBEDDING_MAX_CONCURRENCY": 4}, always=self._take_a_moment
        )
        if self._threads:
            # What is plain is run in a thread.
            self.backend.embed = self._plain  # type: ignore[method-assign,assignment]
            self.generator._engine._asker.is_async = False
        self.generator.embed(["warm up"])

    async def _take_a_moment(self, backend: ScriptedBackend, batch: Batch) -> Reply:
        await asyncio.sleep(self._random.random() * 0.0005)
        self._answered.update(batch.texts)
        return backend.right(batch)

    def _plain(self, batch: Batch) -> Reply:
        time.sleep(self._random.random() * 0.0005)
        self._answered.update(batch.texts)
        return self.backend.right(batch)

    def run(self, kind: str) -> None:
        """End one call in a way of KINDS, and look at what is left."""
        self._answered.clear()
        self.backend.batches.clear()
        moment = self._random.random() * LONGEST
        handed, kept = getattr(self, f"_{kind}")(moment)
        self.ended[kind] += kept is not None
        self._nothing_runs_on()
        self._all_is_there(handed, kept, exact=kind not in _APPROXIMATE and not self._threads)

    def close(self) -> None:
        """Close the generator; no thread of it is left."""
        self.generator.close()
        assert not [one for one in threading.enumerate() if one.name.startswith("ellmental")]

    # Ways to end a call: each returns the parts that were handed out, and what the exception
    # carried; None where the call was over before.

    def _cancel(self, moment: float) -> Any:
        return asyncio.run(self._cancelled(moment, times=1))

    def _cancel_twice(self, moment: float) -> Any:
        return asyncio.run(self._cancelled(moment, times=2))

    async def _cancelled(self, moment: float, *, times: int) -> Any:
        task = asyncio.create_task(self.generator.aembed(TEXTS))
        await asyncio.sleep(moment)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        try:
            return [await task], None
        except asyncio.CancelledError as error:
            return [], [getattr(error, "result", None)]

    def _time_out(self, moment: float) -> Any:
        async def call() -> Any:
            try:
                async with asyncio.timeout(moment):
                    return [await self.generator.aembed(TEXTS)], None
            except TimeoutError as error:
                return [], [getattr(error.__cause__, "result", None)]

        return asyncio.run(call())

    def _cancel_stream(self, moment: float) -> Any:
        parts: list[Embeddings] = []

        async def read() -> None:
            async for part in self.generator.astream(TEXTS):
                parts.append(part)  # noqa: PERF401 - what came before the end is kept

        async def call() -> Any:
            task = asyncio.create_task(read())
            await asyncio.sleep(moment)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError as error:
                return parts, [getattr(error, "result", None)]
            return parts, None

        return asyncio.run(call())

    def _leave_async_stream(self, moment: float) -> Any:
        async def call() -> Any:
            stream = self.generator.astream(TEXTS)
            first = await anext(stream)
            await asyncio.sleep(moment)
            await stream.aclose()  # type: ignore[attr-defined]
            return [first], []

        return asyncio.run(call())

    def _leave_stream(self, moment: float) -> Any:
        stream = self.generator.stream(TEXTS)
        first = next(stream)
        time.sleep(moment)
        if moment > LONGEST / 2:
            stream.close()  # type: ignore[attr-defined]
        del stream
        return [first], []

    def _break_input(self, moment: float) -> Any:
        def texts() -> Iterator[str]:
            yield from TEXTS[:60]
            time.sleep(moment)
            raise OSError("the file is gone")

        parts: list[Embeddings] = []
        try:
            parts.extend(self.generator.stream(texts()))
        except OSError as error:
            return parts, [getattr(error, "result", None)]
        raise AssertionError("the input broke, and nobody noticed")

    def _interrupt(self, moment: float) -> Any:
        try:
            with _interrupted(moment):
                return [self.generator.embed(TEXTS)], None
        except KeyboardInterrupt as error:
            if not any(
                frame.filename == generator.__file__ for frame in extract_tb(error.__traceback__)
            ):
                self._answered.clear()  # it came before the call, or after it had returned
            return [], [getattr(error, "result", None)]

    def _interrupt_stream(self, moment: float) -> Any:
        parts: list[Embeddings] = []
        try:
            with _interrupted(moment):
                parts.extend(self.generator.stream(TEXTS))
        except KeyboardInterrupt as error:
            return parts, [getattr(error, "result", None)]
        return parts, None

    def _close(self, moment: float) -> Any:
        closing = threading.Timer(moment, self.generator.close)
        closing.start()
        try:
            return [self.generator.embed(TEXTS)], None
        except EmbeddingError:  # it says that the generator was closed
            return [], []
        finally:
            closing.join()
            self._nothing_runs_on()
            self._load()

    def _collect(self, moment: float) -> Any:
        """Drop a stream within a cycle, which the collector breaks on any thread."""
        stream = self.generator.stream(TEXTS)
        first = next(stream)
        cycle: list[Any] = [stream]
        cycle.append(cycle)
        time.sleep(moment / 4)
        del cycle, stream
        import gc

        loop = self.generator._host.loop.loop
        asyncio.run_coroutine_threadsafe(_later(gc.collect), loop).result(5)
        # A loop that collects cannot wait for what it cancels; that ends soon after.
        until = time.monotonic() + 5
        while asyncio.run_coroutine_threadsafe(_tasks(), loop).result(5):
            assert time.monotonic() < until
        return [first], []

    # What must hold.

    def _nothing_runs_on(self) -> None:
        if self._threads:  # a thread cannot be stopped; it ends with its batch
            for one in threading.enumerate():
                if one.name == "ellmental-backend":
                    one.join(1)
        else:
            assert self.backend.in_flight == 0
        sent = len(self.backend.batches)
        loop = self.generator._host.loop.loop
        if not loop.is_closed():
            left = asyncio.run_coroutine_threadsafe(_tasks(), loop).result(5)
            assert left == [], left
            assert self.generator._engine.pace.in_flight == 0
            assert not self.generator._host.loop._calls
        assert not [one for one in threading.enumerate() if one.name == "ellmental-backend"]
        assert len(self.backend.batches) == sent

    def _all_is_there(
        self, handed: list[Embeddings], kept: list[Embeddings | None] | None, *, exact: bool
    ) -> None:
        rows = np.full(len(TEXTS), fill_value=False)
        at = 0
        for part in [*handed, *(one for one in kept or [] if one is not None)]:
            good = np.array([row not in part.failed for row in range(len(part))], dtype=bool)
            place = np.arange(at, at + len(part))
            if not np.array_equal(part.vectors[good], RIGHT[place[good]]):
                place += 40  # a part came, and Ctrl-C before it could be put away
            assert np.array_equal(part.vectors[good], RIGHT[place[good]])
            rows[place[good]] = True
            at = int(place[-1]) + 1
        self.handed += int(rows.sum())
        finished = {TEXTS[row] for row in np.flatnonzero(rows)}
        assert finished <= self._answered
        if exact:
            assert finished == self._answered & set(TEXTS)
        if kept is None:
            assert rows.all()


KINDS = tuple(
    name.removeprefix("_")
    for name in (
        *("_cancel", "_cancel_twice", "_time_out", "_cancel_stream", "_leave_async_stream"),
        *("_leave_stream", "_break_input", "_interrupt", "_interrupt_stream", "_close", "_collect"),
    )
)
_APPROXIMATE = {
    # Who leaves a stream, or closes the generator, is not told of the rest; and what Ctrl-C finds
    # between two lines of the reader is lost to it.
    *("leave_async_stream", "leave_stream", "close", "collect", "interrupt_stream"),
}


@contextmanager
def _interrupted(moment: float) -> Iterator[None]:
    """Ctrl-C in the main thread after so many seconds, wherever it stands then."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, max(moment, 1e-5))
    try:
        yield
    finally:
        with suppress(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


async def _tasks() -> list[str]:
    """Tasks that run beside this one."""
    current = asyncio.current_task()
    return [repr(task) for task in asyncio.all_tasks() if task is not current]


async def _later(function: Any) -> None:
    function()
