"""Many calls at once, both faces, cancelling, closing."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import EmbeddingError
from ..base import fail
from ..bounded import StillRunning, bounded
from ..compare import ComparingBase
from ..faults import FAULTS

if TYPE_CHECKING:
    from ...generator import EmbeddingGenerator

__all__ = ["LifeChecks"]

_CALLS = 8
_ENDS_S = 5.0
"""Seconds within which a cancelled call has to end: far more than it takes, far less than the
time-out of the request that it waits for."""

_ASKED_S = 30.0
_LEAVING_S = 2.0

_STATE = (
    "keep what belongs to one batch in local variables; the engine runs several `embed` at once, "
    "or set limits = Limits(concurrency=1)."
)


class LifeChecks(ComparingBase):
    """From the first call to the last."""

    def many(self) -> list[str]:
        """More texts than fit one batch, all different."""
        return [f"{text} ({number})" for number in range(2) for text in self.sample]

    def test_batches_in_flight_do_not_disturb_each_other(self) -> None:
        """Many small requests of one call at once: each row is still its text's."""
        texts = self.many()
        result = self.embed(self.load(BATCH_SIZE=2), texts)
        self.right(result.vectors, texts, "with many requests in flight", _STATE)

    def test_calls_from_many_threads(self) -> None:
        """Threads share a generator: each gets its own texts' vectors."""
        texts = self.many()
        generator = self.load(BATCH_SIZE=3)

        def call(number: int) -> Any:
            return generator.embed(texts[number::_CALLS]).vectors

        def all_calls() -> list[Any]:
            with ThreadPoolExecutor(_CALLS) as pool:
                return list(pool.map(call, range(_CALLS)))

        found = self.ending(generator, all_calls)
        in_order = [text for number in range(_CALLS) for text in texts[number::_CALLS]]
        rows = [row for vectors in found for row in vectors]
        self.right(np.array(rows), in_order, "from several threads", _STATE)

    def test_requests_overlap(self) -> None:
        """A slow request holds up no other: nothing in ``embed`` blocks the event loop."""
        self.needs_http()
        generator = self.load(BATCH_SIZE=1)
        if generator.limits.concurrency == 1:
            self.not_proven("limits.concurrency=1: it sends one request at a time")
        self.server.hold = 2
        texts = self.sample[:2]
        self.right(self.embed(generator, texts).vectors, texts, "two requests at once")
        if self.server.together < 2:  # noqa: PLR2004 - the two that were asked for
            fail(
                "the second request is sent only when the first has been answered",
                "await in `async def embed` (an async client), or write a plain def, which runs "
                "in a thread of its own.",
            )

    def test_both_faces_alike(self) -> None:
        """embed, aembed, stream and astream give the same vectors, in the same order."""
        texts = self.sample
        generator = self.load(BATCH_SIZE=3)
        expected = self.embed(generator, texts).vectors
        mend = "do not bind clients to a loop in __init__: make them in the first embed."

        async def asynchronous() -> tuple[Any, Any]:
            whole = await generator.aembed(texts)
            parts = [row async for part in generator.astream(texts) for row in part.vectors]
            return whole.vectors, parts

        whole, parts = self.ending(generator, lambda: asyncio.run(asynchronous()))
        self.same(whole, expected, texts, "from aembed", mend)
        self.same(parts, expected, texts, "from astream", mend)
        again, _ = self.ending(generator, lambda: asyncio.run(asynchronous()))
        self.same(again, expected, texts, "from aembed on a second event loop", mend)
        streamed = self.ending(
            generator, lambda: [row for part in generator.stream(texts) for row in part.vectors]
        )
        self.same(streamed, expected, texts, "from stream", mend)

    def test_cancelling_ends_the_call(self) -> None:
        """A cancelled call ends soon, and the generator can be used again."""
        generator = self.load(BATCH_SIZE=2)
        texts = self.many()
        if self.speaks_http:
            self.server.always(FAULTS["no answer"])

        asked = threading.Event()

        async def cancelled() -> None:
            task = asyncio.create_task(generator.aembed(texts))
            await asyncio.to_thread(self._until_asked)
            asked.set()
            task.cancel()
            await asyncio.wait([task])

        try:
            bounded(lambda: asyncio.run(cancelled()), _ENDS_S, since=asked)
        except StillRunning:
            self.abandon(generator)
            fail(
                f"{_ENDS_S:g} s after it was cancelled the call still runs",
                "let asyncio.CancelledError pass: catch Exception, not BaseException, and do "
                "not wait in a `finally`.",
            )
        self.server.always(None)
        self.right(self.embed(generator, texts[:4]).vectors, texts[:4], "after cancelling")

    def _until_asked(self) -> None:
        """Wait until a request is on its way, so that there is something to cancel."""
        deadline = time.monotonic() + _ASKED_S
        while self.speaks_http and not self.server.asked and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)

    def test_closing_twice(self) -> None:
        """Closing again does nothing, before and after use; a closed generator says that it is."""
        mend = "let aclose end at once when there is nothing (more) to close."
        for used in (False, True):
            generator = self.load()
            if used:
                self.embed(generator, self.sample[:2])
            for _ in range(2):
                self.ending(generator, generator.close, mend)
            self.ending(generator, lambda closed=generator: asyncio.run(closed.aclose()), mend)
        with contextlib.suppress(EmbeddingError):
            generator.embed(self.sample[:1])
        with self.bare() as bare:
            try:
                for _ in range(2):
                    bare.close(within=_ENDS_S)
            except TimeoutError:
                fail("the backend's aclose does not end when it is called twice", mend)
            except Exception as error:  # noqa: BLE001 - that is the finding
                fail(f"the backend's aclose raises {error!r} when called twice", mend)

    def test_nothing_is_left_running(self) -> None:
        """After closing, no thread is left that keeps the user's program from ending."""
        before = set(threading.enumerate())
        generator = self.load()
        self.embed(generator, self.sample)
        self.ending(generator, generator.close)
        deadline = time.monotonic() + _LEAVING_S
        while (left := _threads() - before) and time.monotonic() < deadline:
            time.sleep(0.02)
        if left:
            fail(
                f"threads are left: {', '.join(sorted(thread.name for thread in left))}",
                "shut down thread pools in aclose, or make their threads daemons.",
            )

    def ending(self, generator: EmbeddingGenerator, function: Any, mend: str = _STATE) -> Any:
        """Run what must end."""
        try:
            return bounded(function)
        except StillRunning as error:
            self.abandon(generator)
            fail(str(error), mend)


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.daemon}
