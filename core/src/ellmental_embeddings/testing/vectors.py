"""The vectors that the fault server answers with: made from the text alone, without a model."""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Item", "Row", "text_in", "vector_of"]

Item = str | tuple[str, ...]
"""What the model is given for one text: the text, or what it is told and then the text."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a reply.

    Attributes:
        index: which text of the request it is said to belong to, from 0.
        vector: its numbers, each exact in float32. May hold NaN, or be of a wrong width.
    """

    index: int
    vector: tuple[float, ...]


def text_in(item: Item) -> str:
    """The text of an item."""
    return item if isinstance(item, str) else item[-1]


@lru_cache(maxsize=4096)
def vector_of(item: Item, width: int) -> tuple[float, ...]:
    """The vector of an item: ``width`` numbers, length 1, the same on every machine.

    The numbers are SHAKE-128 of the item in units of 1/32768, so that two items are far apart.
    """
    spelled = "\x1f".join((item,) if isinstance(item, str) else item)
    raw = hashlib.shake_128(spelled.encode("utf-8", "surrogatepass")).digest(2 * width)
    numbers = [value or 1 for value in struct.unpack(f"<{width}h", raw)]
    length = math.sqrt(sum(value * value for value in numbers))
    packed = struct.pack(f"<{width}f", *(value / length for value in numbers))
    return struct.unpack(f"<{width}f", packed)
