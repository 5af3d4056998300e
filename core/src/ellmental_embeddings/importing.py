"""Importing much at once: without the garbage collector going through it again and again."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the garbage collector.

    Modules and classes stay until the program ends: looking for garbage among them while they
    are made takes a tenth of the time that importing an SDK takes, and finds none.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # nobody else has frozen any
            # Among the old objects, unlooked at: as new ones they would be gone through next.
            gc.freeze()
            gc.unfreeze()
        gc.enable()
