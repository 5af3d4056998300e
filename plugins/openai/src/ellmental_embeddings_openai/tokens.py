"""Exact token counts with tiktoken, where its vocabulary lies on this machine already.

tiktoken downloads its vocabulary when it is first used, without a time limit. Nothing here may
wait for a network, so it is asked only where the file is in its cache and is the right one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["VOCABULARY", "VOCABULARY_SHA256", "counter", "missing"]

VOCABULARY = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
"""The name of cl100k_base in tiktoken's cache: the SHA-1 of the address it comes from."""

VOCABULARY_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
"""What tiktoken expects of the file; another one makes it download again."""


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
    return lambda text: len(encoding.encode_ordinary(text))


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
