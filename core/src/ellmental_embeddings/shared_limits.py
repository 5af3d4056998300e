"""Which generators share one allowance: those that send to one service with one key and model."""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

from .engine.allowance import Allowance
from .shared_ledger import SharedLedger

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["allowance_of"]

_lock = threading.Lock()
_alive: weakref.WeakValueDictionary[str, Allowance] = weakref.WeakValueDictionary()
_recent: deque[Allowance] = deque(maxlen=256)
"""Kept alive beyond their generators: closing one and loading it again frees no budget."""


def allowance_of(key: str | None, folder: Path | None) -> Allowance:
    """The one allowance of all that send with the same key in this process.

    Args:
        key: what has one limit at the service; None shares nothing. Only its digest is kept,
            since it may hold secrets.
        folder: where processes count together, or None.

    Raises:
        ConfigurationError: the folder cannot be used.
    """
    if key is None:
        return Allowance()
    key = hashlib.sha256(key.encode()).hexdigest()[:24]
    name = f"{key} {folder or ''}"
    with _lock:
        known = _alive.get(name)
        if known is None:
            ledger = None if folder is None else SharedLedger(folder / f"{key}.limits")
            known = _alive[name] = Allowance(ledger)
        if known not in _recent:
            _recent.append(known)
        return known


def _forget_after_fork() -> None:
    """Another thread may have held any of the locks when the process forked."""
    global _lock  # noqa: PLW0603 - a lock has to be made anew, not changed
    _lock = threading.Lock()
    _alive.clear()
    _recent.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
