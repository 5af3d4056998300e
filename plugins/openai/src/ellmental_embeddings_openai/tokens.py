"""Exact token counts with tiktoken, where its vocabulary lies on this machine already.

tiktoken downloads its vocabulary when it is first used, without a time limit. Nothing here may
wait for a network, so it is asked only where the file is in its cache and is the right one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["VOCABULARY", "VOCABULARY_SHA256", "counter", "missing"]

VOCABULARY = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
"""The name of cl100k_base in tiktoken's cache: the SHA-1 of the address it comes from."""

VOCABULARY_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
"""What tiktoken expects of the file; another one makes it download again."""


_BLANK = r" \t\v\f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space as tiktoken's expressions know it (Python's has four more), but for line ends."""


def _gaps(least: int) -> re.Pattern[str]:
    """Blanks in a row, so many at least, with something after them that is none."""
    return re.compile(rf"(?<![{_BLANK}])[{_BLANK}]{{{least},}}+(?=[^{_BLANK}\r\n])")


_LONG_GAP = _gaps(100_000)
"""tiktoken steps back over such a gap one by one. After some 999,000 steps its stack is full, and
it ends in a panic, which is no Exception: one text would end the whole call."""


@cache
def counter() -> Callable[[str], int] | None:
    """Counts tokens of cl100k_base, which all of OpenAI's embedding models use; None without."""
    if not _is_cached():
        return None
    try:
        import tiktoken

        encoding = tiktoken.get_encoding("cl100k_base")
    except Exception:  # noqa: BLE001 - it is an optional help, whatever is wrong with it
        return None
    return lambda text: sum(len(encoding.encode_ordinary(part)) for part in _parts(text))


def _parts(text: str) -> Iterator[str]:
    """A text without long gaps, cut where no token goes across: before a gap, and in its end.

    All of a gap but its last blank is one piece to the encoding, as it is at a text's end.
    """
    start = 0
    for gap in _LONG_GAP.finditer(text):
        for end in (gap.start(), gap.end() - 1):
            yield text[start:end]
            start = end
    yield text[start:]


def missing() -> str:
    """Why there is no counter, and what to do."""
    if importlib.util.find_spec("tiktoken") is None:
        return (
            "tiktoken is not installed. Install it with: pip install "
            "'ellmental-embeddings-openai[tokens]'"
        )
    folder = _cache_folder()
    place = "TIKTOKEN_CACHE_DIR, which is empty" if folder is None else str(folder)
    return (
        f"tiktoken's vocabulary is not in its cache ({place}; a file named {VOCABULARY}). Where "
        "there is a network, tiktoken.get_encoding('cl100k_base') puts it there; elsewhere copy "
        "the file, and set TIKTOKEN_CACHE_DIR to its folder"
    )


def _is_cached() -> bool:
    folder = _cache_folder()
    if folder is None:
        return False
    try:
        content = (folder / VOCABULARY).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest() == VOCABULARY_SHA256


def _cache_folder() -> Path | None:
    """Where tiktoken looks; None where its cache is switched off by an empty variable."""
    for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if name in os.environ:
            return Path(os.environ[name]) if os.environ[name] else None
    return Path(tempfile.gettempdir()) / "data-gym-cache"
