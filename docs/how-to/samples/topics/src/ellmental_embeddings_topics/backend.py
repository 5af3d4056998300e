"""Embeds one batch with a model that was fitted on the user's own texts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from ellmental_embeddings import Backend, Batch, ConfigurationError, Limits, ModelInfo, Reply
from sklearn.feature_extraction.text import TfidfVectorizer

from .model import load
from .words import words_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .settings import TopicsSettings

__all__ = ["TopicsBackend"]

STRANGE = 32
"""Numbers behind the topics', for words that the corpus did not have: so that texts of such
words alone have a vector, too, and different ones."""


class TopicsBackend(Backend):
    """TF-IDF, then the topics of the corpus; vectors have length 1."""

    limits = Limits(items=256, concurrency=2)

    def __init__(self, settings: TopicsSettings) -> None:
        fitted = load(settings.topics_model)
        self.topics, self.known = fitted.topics, frozenset(fitted.words.tolist())
        width = len(self.topics) + STRANGE
        if settings.embedding_dimensions not in {None, width}:
            raise ConfigurationError(
                f"this model's vectors have {width} numbers: unset EMBEDDING_DIMENSIONS, or fit "
                "one with another number of --topics."
            )
        self.vectorizer = TfidfVectorizer(
            analyzer=words_of, sublinear_tf=True, vocabulary=fitted.words.tolist()
        )
        self.vectorizer.idf_ = fitted.weights
        # Vectors of two corpora cannot be compared: the revision goes into their Space.
        self.model = ModelInfo(
            name="topics", revision=fitted.revision, dimensions=width, normalised=True
        )

    # A plain `def` runs in a worker thread. Batches are cut, ordered and checked by the core.
    def embed(self, batch: Batch) -> Reply:
        """Each text's row stands where the text does."""
        topical = self.vectorizer.transform(batch.texts) @ self.topics.T
        strange = np.array([self.strange(text) for text in batch.texts])
        rows = np.hstack([topical, strange])
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows[lengths[:, 0] == 0, -1] = 1  # strange words that took each other off
        return Reply((rows / np.where(lengths == 0, 1, lengths)).astype(np.float32))

    def strange(self, text: str) -> NDArray[np.float64]:
        """Words that the corpus did not have, hashed; their share of the text is their weight."""
        row, words = np.zeros(STRANGE), words_of(text)
        for word in words:
            if word not in self.known:
                digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
                row[digest[0] % STRANGE] += 1 if digest[1] % 2 else -1
        return row / len(words)
