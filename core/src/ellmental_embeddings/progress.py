"""How far a call is, for whoever watches: a record, and when it is handed out.

The callback is called where the user waits - in the thread that called ``embed``, on the loop
that awaits ``aembed`` - and never where the engine works: it may draw, and it may be slow.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .engine.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self, TypeVar

    from .calls import Call

    T = TypeVar("T")

    OnProgress = Callable[["Progress"], object] | bool | None

__all__ = ["Progress", "Reporter"]

log = logging.getLogger("ellmental_embeddings")

_EVERY = 0.1
"""Seconds between two reports."""

_MEASURED = 10.0
"""Seconds over which the rate is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a call is.

    Attributes:
        texts: texts that have a vector, or have failed.
        total: texts in all; None where that is not known (a stream over a generator).
        per_second: texts a second, over the last ten seconds.
        in_flight: requests that are being answered now.
        requests: requests sent.
        retries: of these, repetitions.
        tokens: tokens as the service counted them so far; None where it does not say.
        seconds: since the call began.
        seconds_left: until it ends, at this rate; None while that cannot be said.
        ended: True in the last record of a call, however the call ended.
    """

    texts: int
    total: int | None
    per_second: float
    in_flight: int
    requests: int
    retries: int
    tokens: int | None
    seconds: float
    seconds_left: float | None
    ended: bool = False


class Reporter:
    """Waits for calls and reports meanwhile; tells the log when all is over.

    Args:
        progress: the user's callback; True for a tqdm bar, None or False for nothing.
        texts: what was given; its length is the total, if it has one.
        asked: says for the log who is asked: the generator, and its model where known.
        clock: seconds, for tests.

    Attributes:
        tally: to be given to every call of the engine.

    Raises:
        ConfigurationError: True was given, and tqdm is not installed.
        TypeError: ``progress`` is none of these.
    """

    def __init__(
        self,
        progress: OnProgress,
        texts: object,
        asked: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if progress is True:
            from .progress_bars import tqdm_progress

            progress = tqdm_progress()
        if not callable(progress) and progress not in (None, False):
            kind = type(progress).__name__
            raise TypeError(f"progress is {kind}: give True, or a function of one Progress")
        self.tally = Tally()
        self._callback = progress if callable(progress) else None
        self._total = len(texts) if isinstance(texts, Sized) else None
        self._asked = asked
        self._clock = clock
        self._over = False
        self._began = clock()
        self._next = self._began + _EVERY
        self._seen = deque([(self._began, 0)])

    @property
    def every(self) -> float | None:
        """Seconds after which a wait should be interrupted for a report; None for never."""
        return None if self._callback is None else _EVERY

    def wait(self, call: Call[T]) -> T:
        """``call.wait()``, reporting meanwhile."""
        while self._callback is not None and not call.ends_within(_EVERY):
            self.report()
        return call.wait()

    async def wait_async(self, call: Call[T]) -> T:
        """``call.wait_async()``, reporting meanwhile."""
        if self._callback is None:
            return await call.wait_async()
        waiter = asyncio.ensure_future(call.wait_async())
        try:
            while not (await asyncio.wait({waiter}, timeout=_EVERY))[0]:
                self.report()
        finally:
            waiter.cancel()
        return await call.wait_async()

    def report(self, *, ended: bool = False) -> None:
        """Call the callback, unless it was called a moment ago."""
        now = self._clock()
        if self._callback is None or (now < self._next and not ended):
            return
        self._next = now + _EVERY
        progress = self._progress(now, ended=ended)
        try:
            self._callback(progress)
        except Exception as error:  # noqa: BLE001 - whatever it is, the call goes on
            self._callback = None
            log.warning(
                "the progress callback raised %s (%s): it is not called again",
                type(error).__name__,
                error,
            )

    def _progress(self, now: float, *, ended: bool) -> Progress:
        sums = self.tally.sums()
        self._seen.append((now, sums.texts))
        while len(self._seen) > 2 and self._seen[1][0] < now - _MEASURED:  # noqa: PLR2004
            self._seen.popleft()
        since, before = self._seen[0]
        rate = max(0, sums.texts - before) / max(now - since, 1e-9)
        left = None
        if self._total is not None and (rate > 0 or ended):
            left = 0.0 if ended else max(0, self._total - sums.texts) / rate
        return Progress(
            texts=sums.texts,
            total=self._total,
            per_second=rate,
            in_flight=sums.in_flight,
            requests=sums.requests,
            retries=sums.retries,
            tokens=sums.tokens,
            seconds=now - self._began,
            seconds_left=left,
            ended=ended,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(error)

    def end(self, error: BaseException | None = None) -> None:
        """The last report, and a line for the log; once."""
        if self._over:
            return
        self._over = True
        self.report(ended=True)
        if not log.isEnabledFor(logging.INFO):
            return
        sums = self.tally.sums()
        good, given = sums.texts - sums.failed, self._total
        given = sums.texts if given is None else given
        log.info(
            "%s: %s %s (%d unique, %d cached) in %.2f s: %s, %d of them again, %s",
            self._asked(),
            "embedded" if error is None else f"ended by {type(error).__name__} after",
            ("" if good == given else f"{good} of ") + _counted(given, "text"),
            sums.unique,
            sums.cached,
            self._clock() - self._began,
            _counted(sums.requests, "request"),
            sums.retries,
            "tokens unknown" if sums.tokens is None else _counted(sums.tokens, "token"),
        )


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
