"""What counts as a word, when fitting and when embedding."""

from __future__ import annotations

import re

__all__ = ["words_of"]

WORD = re.compile(r"\w+|[^\w\s]")


def words_of(text: str) -> list[str]:
    """Words in small letters; every other sign is a word, so that no text is without one."""
    return WORD.findall(text.casefold())
