"""One thread per BLAS call while texts are embedded: the parallelism is over batches.

Small matrix products gain nothing from the BLAS's own threads, and several workers with
several threads each get in each other's way: unpinned is two to four times slower.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np  # noqa: F401 - its BLAS must be loaded before threadpoolctl looks for it
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["has_small_kernels", "single_threaded_blas"]

_WITH_SMALL_KERNELS = {"SkylakeX", "Cooperlake", "SapphireRapids"}
"""OpenBLAS's names of the x86-64 cores for which it multiplies small float32 matrices in place
(``SMALL_MATRIX_OPT`` in its kernel files, 0.3.31). With the kernels of Haswell and Zen tiles take
a fifth longer (``tests/benchmarks/local_tiles.py``)."""


class _Pin:
    """The process-wide limit, held while anyone needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._controller: ThreadpoolController | None = None
        self._limit: Any = None

    def take(self) -> None:
        with self._lock:
            if self._limit is None:
                # Looking for loaded libraries takes milliseconds: once is enough.
                self._controller = self._controller or ThreadpoolController()
                self._take_over()
                self._limit = self._controller.limit(limits=1, user_api="blas")
            self._holders += 1

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self._take_over()
                self._limit.restore_original_limits()
                self._limit = None
                self._take_over()  # and leave it to whoever asks next

    def forget_holders(self) -> None:
        """In a forked child nobody embeds; the limit, if any, ends with the first who does."""
        self._lock = threading.Lock()
        self._holders = 0

    def _take_over(self) -> None:
        """Let this thread set the limit.

        Since 3.8 threadpoolctl lets one thread do so, and ignores all others without a word. Ours
        come and go, and the last one undoes what the first one did.
        """
        assert self._controller is not None
        for library in self._controller.lib_controllers:
            if clear := getattr(library, "clear_controlling_thread", None):
                clear(force=True)


_pin = _Pin()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pin.forget_holders)


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Pin the BLAS to one thread. Calls may overlap, in any threads; the last one undoes it."""
    _pin.take()
    try:
        yield
    finally:
        _pin.release()


def has_small_kernels() -> bool:
    """Whether numpy's BLAS multiplies small matrices without copying them first."""
    libraries = ThreadpoolController().info()
    return any(library.get("architecture") in _WITH_SMALL_KERNELS for library in libraries)
