"""Threads that compute: one a core, kept while the model is loaded.

Requests are read and cut into word pieces in the engine's own threads; what is computed goes to
these. So a small call is spread over all cores, no more passes run than there are cores, and
the work space of a thread is allocated once.
"""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Workers"]

A = TypeVar("A")
R = TypeVar("R")

_Tasks: TypeAlias = "SimpleQueue[Callable[[], None] | None]"


class Workers:
    """So many daemon threads: a pass under way keeps no program alive. Started when first used.

    They end with ``close``, or when nobody holds this any more: a call that is under way while
    its generator is closed starts them once more, and nobody closes it a second time.

    Args:
        count: how many; one a core.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._tasks: _Tasks = SimpleQueue()
        self._lock = threading.Lock()
        self._dismiss: weakref.finalize[..., Workers] | None = None

    def map(self, function: Callable[[A], R], items: Iterable[A]) -> list[R]:
        """What a function makes of each item, in their order, once all are done.

        Raises:
            Exception: whatever the first item raised that failed.
        """
        futures: list[tuple[Future[R], A]] = [(Future(), item) for item in items]
        with self._lock:  # no thread is dismissed between its start and its task
            self._start()
            for future, item in futures:
                self._tasks.put(partial(_settle, future, function, item))
        return [future.result() for future, _ in futures]

    def close(self) -> None:
        """End the threads once they have done what is asked of them; use starts new ones."""
        with self._lock:
            if self._dismiss is not None:
                self._dismiss()
                self._dismiss = None

    def _start(self) -> None:
        if self._dismiss is not None:
            return
        for number in range(self.count):
            threading.Thread(
                # Not a method: threads that hold their Workers would keep it for ever.
                target=_work,
                args=(self._tasks,),
                name=f"ellmental-local-{number}",
                daemon=True,
            ).start()
        self._dismiss = weakref.finalize(self, _dismiss, self._tasks, self.count)
        self._dismiss.atexit = False  # daemons end by themselves


def _work(tasks: _Tasks) -> None:
    while (task := tasks.get()) is not None:
        task()


def _dismiss(tasks: _Tasks, count: int) -> None:
    for _ in range(count):
        tasks.put(None)


def _settle(future: Future[R], function: Callable[[A], R], item: A) -> None:
    try:
        result = function(item)
    except BaseException as error:  # noqa: BLE001 - handed over to whoever waits
        future.set_exception(error)
    else:
        future.set_result(result)
