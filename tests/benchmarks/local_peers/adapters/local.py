"""This product: LOCAL, as its users call it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DISTS = ("ellmental-embeddings", "ellmental-embeddings-local", "numpy")


class Adapter:
    """``load_generator`` and ``embed`` with the built-in model."""

    def __init__(self, folder: Path, batch: int, cores: int) -> None:
        from ellmental_embeddings import load_generator

        self._generator = load_generator("LOCAL", BATCH_SIZE=batch)

    def many(self, texts: list[str]) -> Any:
        """All vectors, as one matrix."""
        return self._generator.embed(texts).vectors

    def stream(self, texts: Iterator[str]) -> Iterator[Any]:
        """The vectors of consecutive texts, part by part."""
        for part in self._generator.stream(texts):
            yield part.vectors
