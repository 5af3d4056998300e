"""A stream for libraries that have none: window by window, each sorted within itself."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["WINDOW", "in_windows"]

WINDOW = 1_024
"""Texts that are sorted at a time: 16 batches of 64."""


def in_windows(many: Callable[[list[str]], Any], texts: Iterator[str]) -> Iterator[Any]:
    """The vectors of each window of texts."""
    while window := list(islice(texts, WINDOW)):
        yield many(window)
