"""A backend without the engine around it: what it returns and raises by itself."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, TypeVar

from ..calls import Call
from ..loop import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType
    from typing import Any, Self

    from ..backend import Backend, Batch, Reply

__all__ = ["BareBackend"]

T = TypeVar("T")


class BareBackend:
    """Calls a backend as the engine would, on one loop, and checks and repeats nothing.

    Args:
        backend: fresh, not used on another loop.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._loop = LoopThread()
        self._hangs = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.close(_nothing if self._hangs else self.backend.aclose)

    def ask(self, batch: Batch, *, within: float) -> Reply:
        """What the backend makes of one batch.

        Raises:
            TimeoutError: it took longer than so many seconds.
            Exception: whatever the backend raises, untouched.
        """
        return self._started(lambda: self._asked(batch)).wait(within)

    def close(self, *, within: float) -> None:
        """Call its ``aclose`` once.

        Raises:
            TimeoutError: it took longer than so many seconds.
        """
        try:
            self._started(self.backend.aclose).wait(within)
        except TimeoutError:
            self._hangs = True
            raise

    def _started(self, make: Callable[[], Coroutine[Any, Any, T]]) -> Call[T]:
        call: Call[T] = Call()
        self._loop.start(call, make)
        return call

    async def _asked(self, batch: Batch) -> Reply:
        reply = self.backend.embed(batch)
        return await reply if inspect.isawaitable(reply) else reply


async def _nothing() -> None:
    """In place of an ``aclose`` that hangs."""
