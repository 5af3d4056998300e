"""``ellmental eval``, behind its options: one or several generators on the user's labelled data."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ellmental_embeddings import load_generator

from .labelled import Pairs, Retrieval, read_labelled
from .naming import counted
from .nearest import unit
from .scores import ndcg, recall, spearman
from .values import for_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Literal

    from numpy.typing import NDArray

    from ellmental_embeddings import EmbeddingGenerator, Embeddings

__all__ = ["run_eval"]

_HIGHEST = 2
"""Cosines are at most 1: a value that sorts before them."""


@dataclass(slots=True)
class _Ranking:
    """The k best documents of each query, while documents come in."""

    scores: NDArray[np.float32]
    rows: NDArray[np.int64]

    def add(self, queries: NDArray[np.float32], documents: NDArray[np.float32], first: int) -> None:
        """Some more documents; vectors of length 1, rows of NaN where there is none."""
        k = self.scores.shape[1]
        cosines = np.nan_to_num(queries @ documents.T, nan=-_HIGHEST)
        numbers = np.broadcast_to(np.arange(first, first + len(documents)), cosines.shape)
        scores = np.concatenate([self.scores, cosines], axis=1)
        rows = np.concatenate([self.rows, numbers], axis=1)
        # Stable: of equal ones the earlier first.
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        self.scores = np.take_along_axis(scores, best, axis=1)
        self.rows = np.take_along_axis(rows, best, axis=1)


@dataclass(slots=True)
class _Failures:
    """Texts without a vector: how many, and why the first."""

    number: int = 0
    first: str | None = None

    def add(self, result: Embeddings) -> None:
        """Count those of one result."""
        self.number += len(result.failed)
        if self.first is None and result.failed:
            self.first = str(next(iter(result.failed.values())))


def run_eval(path: Path, generators: Sequence[str], *, k: int, as_json: bool) -> None:
    """Score generators on labelled data, and print it.

    Args:
        path: the data.
        generators: their names; none for the one that the settings choose.
        k: documents of each ranking that count.
        as_json: print JSON instead of a table.

    Raises:
        FilesError: the data cannot be used.
        EmbeddingError: a generator cannot be used.
    """
    labelled = read_labelled(path)
    results = []
    chosen: Sequence[str | None] = generators or [None]
    for name in chosen:
        with load_generator(name) as generator:
            click.echo(f"generator: {generator.summary}", err=True)
            results.append(_scored(generator, labelled, k))
    if as_json:
        found = for_json({"data": path.as_posix(), "results": results})
        click.echo(json.dumps(found, allow_nan=False))
        return
    for line in _table(results):
        click.echo(line)
    for result in results:
        if result["failed"]:
            click.echo(
                f"{result['generator']}: {counted(result['failed'], 'text')} without a vector (its "
                "pair is left out, a document is not found, a query counts 0). "
                f"The first: {result['reason']}",
                err=True,
            )


def _scored(generator: EmbeddingGenerator, labelled: Pairs | Retrieval, k: int) -> dict[str, Any]:
    began = time.monotonic()
    found = (
        _score_pairs(generator, labelled)
        if isinstance(labelled, Pairs)
        else _score_retrieval(generator, labelled, k)
    )
    space = generator.space
    return {
        "generator": generator.name,
        "model": space.model,
        "dimensions": space.dimensions,
        "space": space.id,
        **found,
        "seconds": round(time.monotonic() - began, 3),
    }


def _score_pairs(generator: EmbeddingGenerator, pairs: Pairs) -> dict[str, Any]:
    failures = _Failures()
    one = _vectors(generator, pairs.one, "document", failures)
    other = _vectors(generator, pairs.other, "document", failures)
    cosines = np.einsum("ij,ij->i", one, other)
    whole = np.isfinite(cosines)
    return {
        "scores": {"Spearman": spearman(cosines[whole], np.asarray(pairs.scores)[whole])},
        "pairs": int(whole.sum()),
        "failed": failures.number,
        "reason": failures.first,
    }


def _score_retrieval(generator: EmbeddingGenerator, data: Retrieval, k: int) -> dict[str, Any]:
    graded = {name: grades for name, grades in data.grades.items() if grades}
    failures = _Failures()
    queries = _vectors(generator, [data.queries[name] for name in graded], "query", failures)
    names = list(data.documents)
    depth = min(k, len(names))
    ranking = _Ranking(
        np.full((len(queries), depth), -_HIGHEST - 1, dtype=np.float32),
        np.zeros((len(queries), depth), dtype=np.int64),
    )
    first = 0
    for part in generator.stream(data.documents.values(), on_error="keep"):
        ranking.add(queries, unit(part.vectors), first)
        failures.add(part)
        first += len(part)
    rankings = [
        [names[row] for row, score in zip(rows, scores, strict=True) if score > -_HIGHEST]
        for rows, scores in zip(ranking.rows.tolist(), ranking.scores.tolist(), strict=True)
    ]
    judged = list(zip(rankings, graded.values(), strict=True))
    return {
        "scores": {
            f"nDCG@{k}": float(np.mean([ndcg(found, grades, k) for found, grades in judged])),
            f"recall@{k}": float(np.mean([recall(found, grades, k) for found, grades in judged])),
            "recall@1": float(np.mean([recall(found, grades, 1) for found, grades in judged])),
        },
        "queries": len(graded),
        "documents": len(names),
        "failed": failures.number,
        "reason": failures.first,
    }


def _vectors(
    generator: EmbeddingGenerator,
    texts: list[str],
    role: Literal["document", "query"],
    failures: _Failures,
) -> NDArray[np.float32]:
    """Vectors of length 1, shape (texts, dimensions); NaN for texts that failed."""
    result = generator.embed(texts, role=role, on_error="keep")
    failures.add(result)
    return unit(result.vectors)


def _named(generator: str, model: str) -> str:
    """``LOCAL (MODEL)``; a generator that has its variant in brackets has the model there, too."""
    start, bracket, variant = generator.partition(" (")
    return f"{start} ({variant.removesuffix(')')}{', ' if bracket else ''}{model})"


def _table(results: list[dict[str, Any]]) -> list[str]:
    names = [_named(one["generator"], one["model"] or "model not named") for one in results]
    width = max(map(len, names))
    metrics = list(results[0]["scores"])
    sizes = [size for size in ("pairs", "queries", "documents") if size in results[0]]
    heads = [*metrics, *sizes, "dimensions", "seconds"]
    lines = ["  ".join([" " * width, *heads])]
    for name, one in zip(names, results, strict=True):
        values = [f"{one['scores'][metric]:.4f}" for metric in metrics]
        values += [f"{one[size]:,}" for size in sizes]
        values += [str(one["dimensions"]), f"{one['seconds']:.1f}"]
        cells = [value.rjust(len(head)) for value, head in zip(values, heads, strict=True)]
        lines.append("  ".join([name.ljust(width), *cells]))
    return lines
