"""What the stand-in embeds with: a vector that follows from model and text alone."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_base64", "count_tokens", "vector_of", "vectors_of", "width_of"]

_WIDTHS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
_WIDTH_OF_OTHERS = 384
_SMALL = 64
"""Vectors up to this width are remembered: a fault matrix asks for the same ones many times."""


def width_of(model: str) -> int:
    """Dimensions of a model's vectors; 384 for any name that is not OpenAI's."""
    return _WIDTHS.get(model, _WIDTH_OF_OTHERS)


def vector_of(model: str, text: str, dimensions: int | None = None) -> NDArray[np.float32]:
    """The vector of a text: length 1, float32; shortened ones are cut and made length 1 again."""
    name = f"{model}\0{text}".encode("utf-8", "surrogatepass")
    seed = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")
    full = np.random.default_rng(seed).standard_normal(width_of(model), dtype=np.float32)
    kept = full[:dimensions].astype(np.float64)
    return (kept / np.linalg.norm(kept)).astype(np.float32)


def vectors_of(model: str, texts: list[str], dimensions: int | None = None) -> NDArray[np.float32]:
    """The vectors of texts, one a row."""
    small = dimensions is not None and dimensions <= _SMALL
    one = _remembered if small else vector_of
    return np.stack([one(model, text, dimensions) for text in texts])


_remembered = lru_cache(200_000)(vector_of)


def count_tokens(text: str) -> int:
    """Tokens the stand-in counts: a quarter of the bytes, a word at least; never over the bytes."""
    size = len(text.encode("utf-8", "surrogatepass"))
    return max(len(text.split()), -(-size // 4), 1)


def as_base64(vector: NDArray[np.float32]) -> str:
    """The wire form of ``encoding_format="base64"``: little-endian float32."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
