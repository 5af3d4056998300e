"""How good the vectors are, on real questions; and that the measures measure."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ellmental_embeddings import load_generator

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "local_quality.py"


@pytest.fixture(scope="module")
def measures() -> dict[str, Any]:
    """The functions of the benchmark beside these tests."""
    return runpy.run_path(str(BENCHMARK))


@pytest.mark.slow
def test_finds_the_paragraph(measures: dict[str, Any], xquad: list[dict[str, Any]]) -> None:
    """Of 240 paragraphs, the nearest to a question holds its answer 91 times in 100."""
    with load_generator("LOCAL", EMBEDDING_OVERLONG="truncate") as generator:
        first = measures["recall_at_1"](xquad, generator)
    assert first >= 0.91


def test_ranks_share_ties(measures: dict[str, Any]) -> None:
    """Equal values share the mean of their ranks."""
    assert measures["ranks"](np.array([10, 20, 20, 5])).tolist() == [2.0, 3.5, 3.5, 1.0]


def test_spearman_by_hand(measures: dict[str, Any]) -> None:
    """1 for any rising relation, -1 for any falling one, 0.8 for one swap of neighbours in four."""
    spearman = measures["spearman"]
    assert spearman(np.array([1, 2, 3]), np.array([1, 8, 27])) == pytest.approx(1)
    assert spearman(np.array([1, 2, 3]), np.array([3, 2, 1])) == pytest.approx(-1)
    # 1 - 6 * sum(d^2) / (n * (n^2 - 1)) = 1 - 6 * 2 / 60
    assert spearman(np.array([1, 2, 3, 4]), np.array([2, 1, 3, 4])) == pytest.approx(0.8)


def test_ndcg_by_hand(measures: dict[str, Any]) -> None:
    """Found at ranks 1 and 3 of two relevant ones: (1 + 1/2) / (1 + 1/log2(3))."""
    ndcg = measures["ndcg"]
    assert ndcg([7, 1, 9], {7, 9}) == pytest.approx(1.5 / (1 + 1 / np.log2(3)))
    assert ndcg([7, 9, 1], {7, 9}) == pytest.approx(1)
    assert ndcg([1, 2, 3], {7}) == 0
    # An ideal list of ten holds ten of twelve relevant documents, not twelve.
    assert ndcg(list(range(10)), set(range(12))) == pytest.approx(1)
    assert ndcg([1] * 10 + [7], {7}) == 0
