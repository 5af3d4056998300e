"""A fitted model: arrays in a file that runs no code when it is read, and says what it is."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ellmental_embeddings import ConfigurationError
from numpy.typing import NDArray

__all__ = ["Model", "load", "save"]

FORMAT = "ellmental-topics 1"
FIELDS = ("words", "weights", "topics")
UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError),
    *(NotImplementedError, zipfile.BadZipFile, zlib.error),
)
"""What numpy and zipfile raise for files of other kinds, and for damaged ones."""


@dataclass(frozen=True)
class Model:
    """What was learnt from a corpus.

    Attributes:
        words: the vocabulary, sorted; shape (words,).
        weights: how rare each word is, scikit-learn's smoothed idf; shape (words,).
        topics: right singular vectors of the corpus; shape (topics, words).
    """

    words: NDArray[np.str_]
    weights: NDArray[np.float64]
    topics: NDArray[np.float64]

    @property
    def revision(self) -> str:
        """A digest of all that decides a vector: another corpus, another space."""
        digest = hashlib.blake2b(FORMAT.encode(), digest_size=8)
        digest.update("\n".join(self.words.tolist()).encode())
        digest.update(self.weights.astype("<f8").tobytes())
        digest.update(self.topics.astype("<f8").tobytes())
        return digest.hexdigest()


def save(model: Model, path: Path) -> None:
    """Write a model, whole or not at all; numpy's own format, without pickled objects."""
    arrays = {name: getattr(model, name) for name in FIELDS}
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, format=np.array(FORMAT), **arrays)
    part.replace(path)


def load(path: Path) -> Model:
    """Read a model.

    Raises:
        ConfigurationError: it is not there, or is no model.
    """
    path = path.expanduser()
    try:
        # A pickled model would run whatever its author wrote into it.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            if str(file["format"]) != FORMAT:
                raise ValueError("another format")
            model = Model(**{name: file[name] for name in FIELDS})
    except FileNotFoundError:
        raise ConfigurationError(
            f"TOPICS_MODEL: there is no file {path}. "
            f"Make it of your own texts: ellmental fit-topics TEXTS -o {path}"
        ) from None
    except UNREADABLE:
        raise ConfigurationError(
            f"TOPICS_MODEL: {path} is no model of this version. "
            "Make it anew: ellmental fit-topics TEXTS -o MODEL"
        ) from None
    if model.topics.ndim != 2 or not (
        model.topics.shape[1] == len(model.words) == len(model.weights)
    ):
        raise ConfigurationError(f"TOPICS_MODEL: the arrays of {path} do not fit together")
    return model
