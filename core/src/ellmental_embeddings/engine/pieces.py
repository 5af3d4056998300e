"""Cutting a text that is longer than a model takes. Pure functions."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cut", "longest_fit"]


def cut(text: str, fits: Callable[[str], bool], *, guess: int) -> list[str]:
    """Cut a text into pieces that fit, each as long as it can be.

    Args:
        text: any text.
        fits: whether a piece is short enough; true of a piece's parts if true of the piece.
        guess: characters that are likely to fit; decides the speed, not the result.

    Returns:
        Pieces whose concatenation is the text; empty where not even one character fits.
    """
    pieces, start = [], 0
    while start < len(text):
        end = longest_fit(text, start, fits, guess=guess)
        if end == start:
            return []
        pieces.append(text[start:end])
        start = end
    return pieces


def longest_fit(text: str, start: int, fits: Callable[[str], bool], *, guess: int) -> int:
    """The end of the longest ``text[start:end]`` that fits, moved back to the end of a word.

    Tries only pieces near the result's size, so that a text of any length costs the same.

    Returns:
        A position from ``start`` (nothing fits) to ``len(text)``.
    """
    good, size = start, max(1, guess)
    bad = len(text) + 1
    while good < len(text) and bad == len(text) + 1:
        end = min(start + size, len(text))
        if fits(text[start:end]):
            good, size = end, size * 2
        else:
            bad = end
    while bad - good > 1:
        middle = (good + bad) // 2
        if fits(text[start:middle]):
            good = middle
        else:
            bad = middle
    return good if good == len(text) else _back_to_word_end(text, start, good)


def _back_to_word_end(text: str, start: int, end: int) -> int:
    half = start + (end - start) // 2
    for position in range(end, half, -1):
        if text[position].isspace() or text[position - 1].isspace():
            return position
    # No word ends in the second half (Chinese, base64): cut anywhere but before an accent.
    while end > start + 1 and unicodedata.combining(text[end]):
        end -= 1
    return end
