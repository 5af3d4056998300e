"""HASHED's backend: counts words by their hash, in a worker thread."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from ellmental_embeddings import Backend, BackendSettings, Batch, Limits, ModelInfo, Reply

if TYPE_CHECKING:
    from numpy.typing import NDArray


class HashedSettings(BackendSettings):
    """One variable, with a default."""

    hashed_width: int = Field(default=64, ge=2, description="How many counters a text has.")


class HashedBackend(Backend):
    """A token is a word; a text has 500 at most."""

    limits = Limits(items=20, tokens_per_text=500)

    def __init__(self, settings: HashedSettings) -> None:
        super().__init__(settings)
        self._width = settings.embedding_dimensions or settings.hashed_width
        self.model = ModelInfo(name="hashed", dimensions=self._width, normalised=True)

    def count_tokens(self, text: str) -> int:
        """Words, and one for the end."""
        return len(text.split()) + 1

    def most_tokens(self, text: str) -> int:
        """Every second character may begin a word."""
        return len(text) // 2 + 2

    def embed(self, batch: Batch) -> Reply:
        """A row a text."""
        vectors = np.array([self._vector(text) for text in batch.texts])
        return Reply(vectors, tokens=sum(map(self.count_tokens, batch.texts)))

    def _vector(self, text: str) -> NDArray[np.float32]:
        counts = np.zeros(self._width, np.float32)
        for word in text.split():
            counts[zlib.crc32(word.encode()) % self._width] += 1
        length = np.linalg.norm(counts)
        return counts / length if length else np.full_like(counts, self._width**-0.5)
