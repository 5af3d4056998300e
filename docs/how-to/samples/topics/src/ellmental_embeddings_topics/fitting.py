"""Fits a model on a corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ellmental_embeddings import ConfigurationError
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from .model import Model
from .words import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fitted"]

FEWEST = 3


def fitted(texts: Sequence[str], topics: int) -> Model:
    """The same texts make the same model.

    Args:
        texts: the corpus.
        topics: how many numbers of a vector; fewer where the corpus has fewer texts or words.

    Raises:
        ConfigurationError: the corpus has fewer than three texts with words.
    """
    known = [text for text in texts if words_of(text)]
    if len(known) < FEWEST:
        raise ConfigurationError(f"{len(known)} texts have words: give at least {FEWEST}")
    vectorizer = TfidfVectorizer(analyzer=words_of, sublinear_tf=True)
    counts = vectorizer.fit_transform(known)
    width = min(topics, counts.shape[0] - 1, counts.shape[1] - 1)
    if width < 1:
        raise ConfigurationError("the texts have one word alone: give texts that differ")
    svd = TruncatedSVD(n_components=width, random_state=0).fit(counts)
    return Model(
        np.array(vectorizer.get_feature_names_out(), "U"), vectorizer.idf_, svd.components_
    )
