"""How much memory this process takes: at its peak, and over time."""

from __future__ import annotations

import resource
import sys
import threading
import time
from pathlib import Path
from typing import Self

__all__ = ["Sampler", "peak_mib"]

_EVERY_S = 0.25
_STATUS = Path("/proc/self/status")


def peak_mib() -> float:
    """The largest resident size so far, in MiB.

    Linux's ``ru_maxrss`` would count the process that started this one too.
    """
    if _STATUS.exists():
        return _field("VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _field(name: str) -> float:
    line = next(row for row in _STATUS.read_text().splitlines() if row.startswith(name))
    return int(line.split()[1]) / 1024


class Sampler:
    """Notes the resident size four times a second, while it is entered. On Linux alone."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        began = time.perf_counter()
        while _STATUS.exists():
            self.samples.append((round(time.perf_counter() - began, 2), round(_field("VmRSS"), 1)))
            if self._ended.wait(_EVERY_S):
                return
