"""The nearest rows to a vector: exact, by cosine, a few MB of vectors at a time, on all cores."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from numpy.typing import NDArray

    Scored = tuple[NDArray[np.float32], NDArray[np.int64]]

__all__ = ["Hit", "nearest", "unit"]

_FEW = 8
"""Where less than one row in so many is wanted, only those are compared."""


_SHORT, _LONG = 1e-15, 1e15
"""Lengths beyond which the squares of float32 numbers may be lost, or infinite."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One near row.

    Attributes:
        score: cosine similarity, -1 to 1.
        row: which row of the dataset, counted over all its parts.
    """

    score: float
    row: int


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of length 1 in the same directions, shape (rows, dimensions); zeros stay zeros."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    # NaN is none of them: it stands for a text without a vector, and stays.
    odd = np.flatnonzero((lengths < _SHORT) | (lengths > _LONG))
    lengths[odd] = 1
    units = np.asarray(vectors / lengths[:, np.newaxis], dtype=np.float32)
    if len(odd):
        exact = vectors[odd].astype(np.float64)
        lengths = np.linalg.norm(exact, axis=1)
        lengths[lengths == 0] = 1
        units[odd] = exact / lengths[:, np.newaxis]
    return units


def nearest(
    blocks: Iterable[tuple[int, NDArray[np.float32]]],
    question: NDArray[np.float32],
    k: int,
    wanted: NDArray[np.bool_] | None = None,
) -> list[Hit]:
    """Find the k rows most similar to a vector, best first; of equal ones the earlier first.

    Args:
        blocks: (first row, float32 vectors of length 1, shape (rows, dimensions)). A bounded
            number of them is held at a time.
        question: float32, shape (dimensions,).
        k: how many, at least 1.
        wanted: per row of the dataset, whether it may be found; None for all.
    """
    direction = unit(question[np.newaxis])[0]
    cores = os.cpu_count() or 1
    best: Scored = (np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64))
    under_way: deque[Future[Scored]] = deque()
    with ThreadPoolExecutor(cores) as pool:  # the products leave Python's lock alone
        for first, vectors in blocks:
            flags = None if wanted is None else wanted[first : first + len(vectors)]
            under_way.append(pool.submit(_best_of, first, vectors, direction, k, flags))
            if len(under_way) > cores:
                best = _better(best, under_way.popleft().result(), k)
        while under_way:
            best = _better(best, under_way.popleft().result(), k)
    return [Hit(float(score), int(row)) for score, row in zip(*best, strict=True)]


def _best_of(
    first: int,
    vectors: NDArray[np.float32],
    direction: NDArray[np.float32],
    k: int,
    flags: NDArray[np.bool_] | None,
) -> Scored:
    """The best rows of one block: at least k where it has as many, those equal to the last too."""
    if flags is None:
        rows, scores = np.arange(len(vectors)), _products(vectors, direction)
    else:
        rows = np.flatnonzero(flags)
        if len(rows) * _FEW < len(vectors):
            scores = _products(vectors[rows], direction)
        else:
            scores = _products(vectors, direction)[rows]
    if len(scores) > k:
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        kept = np.flatnonzero(scores >= least)
        rows, scores = rows[kept], scores[kept]
    return scores, rows.astype(np.int64) + first


def _products(vectors: NDArray[np.float32], direction: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every row times the direction, shape (rows,).

    Not by BLAS: its own threads wait for each other busily, beside ours, and took 20 times the
    CPU for what memory alone bounds.
    """
    return np.asarray(np.einsum("ij,j->i", vectors, direction))


def _better(one: Scored, other: Scored, k: int) -> Scored:
    scores, rows = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
    order = np.lexsort((rows, -scores))[:k]
    return scores[order], rows[order]
