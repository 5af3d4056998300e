"""The nearest rows to a vector: exact, by cosine, a few MB of vectors at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["Hit", "nearest"]


@dataclass(frozen=True, slots=True)
class Hit:
    """One near row.

    Attributes:
        score: cosine similarity, -1 to 1.
        part: which part it is in.
        row: which row of the part.
    """

    score: float
    part: int
    row: int


def nearest(
    blocks: Iterable[tuple[int, int, NDArray[np.float32]]], question: NDArray[np.float32], k: int
) -> list[Hit]:
    """Find the k rows most similar to a vector, best first; of equal ones the earlier first.

    Args:
        blocks: (part, first row, float32 vectors of shape (rows, dimensions)).
        question: float32, shape (dimensions,).
        k: how many, at least 1.
    """
    unit = question / (np.linalg.norm(question) or 1.0)
    scores = np.empty(0, dtype=np.float32)
    places = np.empty((0, 2), dtype=np.int64)
    for part, first, vectors in blocks:
        block = _cosine(vectors, unit)
        worst = scores[-1] if len(scores) == k else -np.inf
        better = np.flatnonzero(block > worst)
        if not len(better):
            continue
        found = np.column_stack([np.full(len(better), part), better + first])
        scores = np.concatenate([scores, block[better]])
        places = np.concatenate([places, found])
        best = np.argsort(-scores, kind="stable")[:k]
        scores, places = scores[best], places[best]
    return [
        Hit(float(score), int(part), int(row))
        for score, (part, row) in zip(scores, places, strict=True)
    ]


def _cosine(vectors: NDArray[np.float32], unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines of all rows with a vector of length 1; 0 for a row of zeros. Shape (rows,)."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.asarray((vectors @ unit) / np.where(lengths == 0, 1, lengths), dtype=np.float32)
