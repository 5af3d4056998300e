"""No reply is believed unchecked: count, index, width, numbers, finiteness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..backend import Reply
from ..errors import BadReply, PluginError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["checked"]

_SHAPE = "(texts, dimensions)"


def checked(reply: object, texts: int) -> NDArray[np.float32]:
    """The vectors of a reply, one a text, in the order of the batch's texts.

    Args:
        reply: what the backend returned.
        texts: how many texts the batch had.

    Returns:
        float32, shape (texts, dimensions). No copy where the reply needs none.

    Raises:
        BadReply: when the answer cannot be believed.
        PluginError: when it is no Reply at all, which is the plugin's fault.
    """
    if not isinstance(reply, Reply):
        raise PluginError(
            f"the backend returned {type(reply).__name__}, not a Reply. Tell the plugin's authors."
        )
    vectors = _matrix(reply.vectors)
    if len(vectors) != texts:
        raise BadReply(f"{len(vectors)} vectors came for {texts} texts")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        which = f"the vector of text {row} of the batch" if texts > 1 else "its vector"
        raise BadReply(f"{which} has NaN or infinite numbers")
    return vectors if reply.index is None else _in_order(vectors, reply.index)


def _matrix(vectors: object) -> NDArray[np.float32]:
    try:
        matrix = np.asarray(vectors)
    except (TypeError, ValueError, OverflowError):
        raise BadReply("the vectors are not all of one width, or no numbers") from None
    # Strings of digits would be converted by numpy without a word.
    if matrix.dtype.kind not in "fiu":
        raise BadReply("the vectors hold something that is no number")
    if matrix.ndim != 2 or matrix.shape[1] == 0:  # noqa: PLR2004
        raise BadReply(f"the vectors have the shape {matrix.shape}, not {_SHAPE}")
    if matrix.dtype == np.float32:
        return matrix
    with np.errstate(over="ignore"):
        return matrix.astype(np.float32, copy=False)


def _in_order(vectors: NDArray[np.float32], index: Sequence[int]) -> NDArray[np.float32]:
    try:
        places = np.asarray(index)
    except (TypeError, ValueError, OverflowError):
        places = np.empty(0)
    expected = np.arange(len(vectors))
    whole = places.dtype.kind in "iu" and places.shape == expected.shape
    if whole and np.array_equal(places, expected):
        return vectors
    if not whole or not np.array_equal(np.sort(places), expected):
        raise BadReply(f"the vectors' indices are not 0 to {len(vectors) - 1}, each once")
    ordered = np.empty_like(vectors)
    ordered[places] = vectors
    return ordered
