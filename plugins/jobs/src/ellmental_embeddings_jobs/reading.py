"""Reading a source that may block: in a thread, so that nothing else waits for it."""

from __future__ import annotations

import threading
from queue import Empty, Queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .document import Item

__all__ = ["patient_items"]

_AHEAD = 1000
_SECONDS = 0.1

_END = object()


def patient_items(items: Iterator[Item]) -> Iterator[Item | None]:
    """What a source yields, and None whenever there was nothing to read for a moment.

    Whoever writes into a pipe may take its time: what was finished in the meantime is to be
    stored, and a signal is to be heard. The thread that reads keeps no program alive.
    """
    queue: Queue[object] = Queue(_AHEAD)

    def read() -> None:
        try:
            for item in items:
                queue.put(item)
        except BaseException as error:  # noqa: BLE001 - raised where the items are asked for
            queue.put(error)
        queue.put(_END)

    threading.Thread(target=read, name="ellmental-read", daemon=True).start()
    while True:
        try:
            item = queue.get(timeout=_SECONDS)
        except Empty:
            yield None
            continue
        if item is _END:
            return
        if isinstance(item, BaseException):
            raise item
        yield item  # type: ignore[misc]
