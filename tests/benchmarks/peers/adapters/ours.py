"""This product: OPENAI, as its users call it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DISTS = ("ellmental-embeddings", "ellmental-embeddings-openai", "openai", "aiohttp")


class Adapter:
    """``load_generator`` and ``embed``; how many are in flight is the engine's business."""

    def __init__(self, url: str, width: int, batch: int, in_flight: int) -> None:
        from ellmental_embeddings import load_generator

        self._generator = load_generator(
            "OPENAI",
            OPENAI_BASE_URL=url,
            OPENAI_API_KEY="key",
            OPENAI_MODEL="text-embedding-3-small",
            BATCH_SIZE=batch,
        )

    def many(self, texts: list[str]) -> Any:
        """All vectors, as one matrix."""
        return self._generator.embed(texts).vectors

    def one(self, text: str) -> Any:
        """The vector of one text."""
        return self._generator.embed([text]).vectors[0]

    def stream(self, texts: Any) -> Iterator[Any]:
        """The vectors of consecutive texts, part by part."""
        for part in self._generator.stream(texts):
            yield part.vectors

    def close(self) -> None:
        """Close the connections."""
        self._generator.close()
