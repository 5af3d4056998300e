"""Threads that compute: one a core, kept while the model is loaded.

Requests are read and cut into word pieces in the engine's own threads; what is computed goes to
these. So a small call is spread over all cores, no more passes run than there are cores, and
the work space of a thread is allocated once.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Workers"]

A = TypeVar("A")
R = TypeVar("R")


class Workers:
    """So many daemon threads: a pass under way keeps no program alive. Started when first used.

    Args:
        count: how many; one a core.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._started = False

    def map(self, function: Callable[[A], R], items: Iterable[A]) -> list[R]:
        """What a function makes of each item, in their order, once all are done.

        Raises:
            Exception: whatever the first item raised that failed.
        """
        self._start()
        futures: list[Future[R]] = []
        for item in items:
            future: Future[R] = Future()
            futures.append(future)
            self._tasks.put(lambda item=item, future=future: _settle(future, function, item))  # type: ignore[misc]
        return [future.result() for future in futures]

    def close(self) -> None:
        """End the threads once they have done what is asked of them; use starts new ones."""
        with self._lock:
            if self._started:
                self._started = False
                for _ in range(self.count):
                    self._tasks.put(None)

    def _start(self) -> None:
        with self._lock:
            if self._started:
                return
            self._started = True
            for number in range(self.count):
                threading.Thread(
                    target=self._work, name=f"ellmental-local-{number}", daemon=True
                ).start()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()


def _settle(future: Future[R], function: Callable[[A], R], item: A) -> None:
    try:
        result = function(item)
    except BaseException as error:  # noqa: BLE001 - handed over to whoever waits
        future.set_exception(error)
    else:
        future.set_result(result)
