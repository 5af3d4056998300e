"""A backend's plain ``def``: run in threads, which nobody can stop."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING

from .threads import started

if TYPE_CHECKING:
    from ..backend import Backend, Batch, Role

    Asked = tuple[tuple[str, ...], Role, str | None]

__all__ = ["Plain"]

_KEPT = 60.0
"""Seconds that a late answer is kept for its repetition: longer than any wait between two tries,
and not for ever, since nobody may ask again."""


class Plain:
    """Calls a plain ``def embed``, never more often at once than its backend bears.

    A thread whose call timed out or was cancelled works on. So it still counts as one of
    ``limits.concurrency``: a model that bears one call at a time must not see two. And where a
    batch that timed out is sent again, its late answer counts as well as the new one.

    Its methods run on the engine's loop alone.

    Args:
        backend: whose ``embed`` is a plain ``def``.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._running: set[asyncio.Future[object]] = set()
        self._late: dict[Asked, list[asyncio.Future[object]]] = {}

    @property
    def is_full(self) -> bool:
        """Whether the backend bears no further call now."""
        most = self._backend.limits.concurrency
        return bool(most) and len(self._running) >= (most or 0)

    async def embed(self, batch: Batch) -> object:
        """What the backend makes of a batch, now or in a call before that timed out.

        Raises:
            Exception: whatever the backend raised.
        """
        asked = (batch.texts, batch.role, batch.instruction)
        late = self._late.pop(asked, [])
        new: asyncio.Future[object] | None = None
        try:
            while True:
                for one in late:
                    if _is_of_use(one):
                        if new is not None:
                            new.add_done_callback(_close)
                        return one.result()
                late = [one for one in late if not one.done()]
                if new is None and not self.is_full:
                    new = self._start(batch)
                if new is not None and new.done():
                    self._keep(asked, late)
                    return new.result()
                watched = self._running if new is None else {*late, new}
                await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._keep(asked, late if new is None else [*late, new])
            raise

    def forget(self, batch: Batch) -> None:
        """Nobody will ask for this batch again."""
        self._late.pop((batch.texts, batch.role, batch.instruction), None)

    def _start(self, batch: Batch) -> asyncio.Future[object]:
        # It may outlive its request, and must not write to rows that are others' by then.
        batch = replace(batch, out=None)
        future: asyncio.Future[object] = started(lambda: self._backend.embed(batch))
        self._running.add(future)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: asyncio.Future[object]) -> None:
        self._running.discard(future)
        _ = future.cancelled() or future.exception()  # may be of interest to nobody

    def _keep(self, asked: Asked, late: list[asyncio.Future[object]]) -> None:
        if not late:
            return
        self._late[asked] = late
        loop = asyncio.get_running_loop()

        def drop() -> None:
            if self._late.get(asked) is late:
                del self._late[asked]

        for one in late:
            one.add_done_callback(_close)
        late[-1].add_done_callback(lambda _: loop.call_later(_KEPT, drop))


def _is_of_use(late: asyncio.Future[object]) -> bool:
    return late.done() and late.exception() is None and not inspect.iscoroutine(late.result())


def _close(late: asyncio.Future[object]) -> None:
    """Nobody awaits what a plain ``def`` around an async one returned."""
    result = None if late.cancelled() or late.exception() is not None else late.result()
    if inspect.iscoroutine(result):
        result.close()
