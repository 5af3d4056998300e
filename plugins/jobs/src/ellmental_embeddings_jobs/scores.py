"""How well vectors do on labelled data: rank correlation, nDCG, recall. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["ndcg", "recall", "spearman"]


def spearman(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Spearman's rank correlation, -1 to 1: Pearson's of the ranks (Spearman 1904).

    Equal values share the mean of their ranks, as in scipy.stats.spearmanr. NaN where all
    values of one side are equal, or there are none.

    Args:
        one: numbers, shape (pairs,).
        other: as many others.
    """
    if not len(one):
        return float("nan")
    ranked = [_ranks(one), _ranks(other)]
    centred = [ranks - ranks.mean() for ranks in ranked]
    spread = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum() / spread) if spread else float("nan")


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[group.reshape(-1)])


def ndcg(found: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """Normalised discounted cumulative gain of a ranking, 0 to 1 (Jarvelin and Kekalainen 2002).

    The gain of a document is its grade, divided by log2(rank + 1), as trec_eval and BEIR do; the
    sum is divided by that of the best possible ranking.

    Args:
        found: document ids, best first.
        grades: id -> grade of each relevant document, above 0; at least one.
        k: how many of the ranking count.
    """
    gains = [grades.get(document, 0.0) for document in found[:k]]
    return _discounted(gains) / _discounted(sorted(grades.values(), reverse=True)[:k])


def _discounted(gains: Sequence[float]) -> float:
    return float((np.asarray(gains) / np.log2(np.arange(2, len(gains) + 2))).sum())


def recall(found: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """Share of the relevant documents that are among the first k, 0 to 1, as in trec_eval.

    Args:
        found: document ids, best first.
        grades: id -> grade of each relevant document; at least one.
        k: how many of the ranking count.
    """
    return sum(document in grades for document in found[:k]) / len(grades)
