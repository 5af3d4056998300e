"""Texts with a number in them, and the vector that belongs to each: what answers are checked by.

The first component of a text's vector is the text's number, so that no two texts share a vector
and a row in the wrong place is seen. The others come from one of a few prepared rows, so that
the server can answer by joining bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ROWS", "check", "numbered_texts", "prepared_rows"]

ROWS = 251
"""Prepared rows. A prime, so that no batch size walks in step with them."""

_AT_ONCE = 2_000
"""Rows that are checked at once: the check must not need the memory that it measures."""


def numbered_texts(count: int, start: int = 0) -> list[str]:
    """Different texts of 60 characters each."""
    filling = "embed this line of words, please: it is sixty long"[:46]
    return [f"text {number:08d} {filling}" for number in range(start, start + count)]


def prepared_rows(width: int) -> NDArray[np.float32]:
    """float32, shape (ROWS, width): about as large as the numbers of unit vectors are."""
    import numpy as np

    rows = np.random.default_rng(7).normal(scale=width**-0.5, size=(ROWS, width))
    return rows.astype(np.float32)


def check(vectors: Sequence[Any] | NDArray[Any], count: int, width: int, start: int = 0) -> None:
    """Refuse vectors that are not those of ``numbered_texts(count, start)``.

    Raises:
        SystemExit: saying which text has another vector than the server's function gives it.
    """
    import numpy as np

    if len(vectors) != count:
        raise SystemExit(f"{len(vectors)} vectors came for {count} texts")
    rows = prepared_rows(width)
    for first in range(0, count, _AT_ONCE):
        came = np.asarray(vectors[first : first + _AT_ONCE], dtype=np.float32)
        numbers = np.arange(start + first, start + first + len(came))
        expected = rows[numbers % ROWS]
        expected[:, 0] = numbers
        if came.shape != expected.shape:
            raise SystemExit(f"vectors of shape {came.shape} came, not {expected.shape}")
        # Through a decimal text and a double a number may come out one last bit off.
        wrong = ~np.isclose(came, expected, rtol=1e-6, atol=0).all(axis=1)
        if wrong.any():
            text = int(numbers[wrong][0])
            raise SystemExit(f"text {text} has another vector: {came[wrong][0][:3]}...")
