"""Nothing that a plugin does keeps a check from ending."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PATIENCE_S", "StillRunning", "bounded"]

T = TypeVar("T")

PATIENCE_S = 60.0
"""Far more than any check takes: only what hangs for ever meets it."""


class StillRunning(Exception):
    """What was started did not end; its thread, a daemon, is left behind."""


def bounded(
    function: Callable[[], T], seconds: float = PATIENCE_S, *, since: threading.Event | None = None
) -> T:
    """Run a function in a thread of its own and return what it does.

    Args:
        function: what is run.
        seconds: how long it is waited for.
        since: set by the function where the seconds are to count from; else from its start.

    Raises:
        StillRunning: it has not ended within so many seconds.
        BaseException: whatever it raises.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            errors.append(error)

    thread = threading.Thread(target=work, name="contract-check", daemon=True)
    thread.start()
    if since is not None:
        since.wait(PATIENCE_S)
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise StillRunning(f"it did not end within {seconds:g} s")
    return results[0]
