"""What a user gets back: vectors, what became of each text, what it took, which space."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .errors import SpaceMismatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .errors import EmbeddingError

__all__ = ["CACHED", "OK", "Embeddings", "Estimate", "Outcome", "Space", "Status", "Usage"]

Status = Literal["ok", "cached", "truncated", "split", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one text.

    Attributes:
        status: ``ok``; ``cached`` (not sent, its vector was known); ``truncated`` (cut to the
            model's limit); ``split`` (the mean of its pieces' vectors); ``failed`` (a NaN row).
        tokens_from: tokens of the whole text, where it was truncated or split.
        tokens_to: tokens that were embedded, where it was truncated.
        characters_to: characters that were embedded, where it was truncated.
        pieces: number of pieces, where it was split.
        error: why it failed, else None.
    """

    status: Status = "ok"
    tokens_from: int | None = None
    tokens_to: int | None = None
    characters_to: int | None = None
    pieces: int | None = None
    error: EmbeddingError | None = None

    def __str__(self) -> str:
        """One line for people."""
        if self.status == "truncated":
            return f"truncated from {self.tokens_from} to {self.tokens_to} tokens"
        if self.status == "split":
            return f"split into {self.pieces} pieces"
        if self.status == "failed":
            return f"failed: {self.error}"
        return self.status


OK = Outcome()
"""The outcome of nearly every text: one shared object, so that a million cost nothing."""

CACHED = Outcome(status="cached")
"""The outcome of a text that was not sent: its vector was in the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a call took.

    Attributes:
        texts: texts given.
        unique: different texts (or pieces of over-long ones) that were to be embedded.
        requests: requests sent, repeated ones included.
        retries: requests that were sent because an earlier one failed.
        tokens: tokens as the service counted them; None where it does not say.
        seconds: wall time of the call.
        cached: how many of ``unique`` were not sent, since the cache had their vectors.
        hedged: requests sent beside one that was late; their tokens are not known.
    """

    texts: int
    unique: int
    requests: int
    retries: int
    tokens: int | None
    seconds: float
    cached: int = 0
    hedged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What embedding some texts would take, without anything sent.

    Attributes:
        texts: texts given.
        unique: different texts (or pieces of over-long ones) that would be embedded; identical
            ones far apart in a stream count each time they would be sent.
        cached: how many of ``unique`` the cache has; None where the model names itself only in
            its answers, so that nobody can say before the first.
        requests: requests, if none has to be repeated.
        tokens: tokens that would be sent.
        exact: whether ``tokens`` were counted; else it is the most they can be.
        overlong: texts over the model's limit.
        failed: texts that would be refused unsent: blank, no text, or over-long with
            EMBEDDING_OVERLONG=error.
    """

    texts: int = 0
    unique: int = 0
    cached: int | None = 0
    requests: int = 0
    tokens: int = 0
    exact: bool = True
    overlong: int = 0
    failed: int = 0

    def __add__(self, other: Estimate) -> Estimate:
        unknown = self.cached is None or other.cached is None
        return Estimate(
            texts=self.texts + other.texts,
            unique=self.unique + other.unique,
            cached=None if unknown else (self.cached or 0) + (other.cached or 0),
            requests=self.requests + other.requests,
            tokens=self.tokens + other.tokens,
            exact=self.exact and other.exact,
            overlong=self.overlong + other.overlong,
            failed=self.failed + other.failed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The embedding space of vectors: all that decides whether two may be compared.

    The service that serves the model is no part of it: OpenAI and Azure with one model agree.

    Attributes:
        model: the model's name, or None where the service never said.
        revision: which weights, where known.
        dimensions: width of the vectors; None before the first answer.
        document_instruction: what the model was told about documents, or the prefix.
        query_instruction: what the model was told about queries, or the prefix.
        overlong: what became of over-long texts: ``error``, ``truncate`` or ``average``.
        normalised: True where every vector has length 1; None where not known.
    """

    model: str | None = None
    revision: str | None = None
    dimensions: int | None = None
    document_instruction: str | None = None
    query_instruction: str | None = None
    overlong: str = "error"
    normalised: bool | None = None

    @property
    def id(self) -> str:
        """Short and stable: the first 12 hex digits of SHA-256 over the sorted fields' JSON."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def differences(self, other: Space) -> list[str]:
        """What tells two spaces apart, one line a field; empty where they are the same."""
        return [
            f"{item.name}: {mine!r} here, {theirs!r} there"
            for item in fields(self)
            if (mine := getattr(self, item.name)) != (theirs := getattr(other, item.name))
        ]

    def require_same(self, other: Space) -> None:
        """Refuse to compare vectors of two spaces.

        Raises:
            SpaceMismatch: naming what differs.
        """
        if self != other:
            raise SpaceMismatch(
                f"vectors of two embedding spaces ({self.id} and {other.id}) cannot be compared; "
                + "; ".join(self.differences(other))
                + ". Embed both with the same generator and settings."
            )

    def to_dict(self) -> dict[str, Any]:
        """All fields and the id, ready for JSON; what is written beside stored vectors."""
        return {"id": self.id, **asdict(self)}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Space:
        """The space that ``to_dict`` wrote; fields it does not know are left out."""
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embeddings:
    """The result of a call. Array-like: ``len``, indexing, iteration, ``numpy.asarray``.

    Attributes:
        vectors: float32, shape (texts, dimensions); row i belongs to text i. Rows of failed
            texts are NaN.
        outcomes: per text, what became of it.
        usage: what the call took.
        space: which embedding space the vectors live in.
    """

    vectors: NDArray[np.float32]
    outcomes: Sequence[Outcome]
    usage: Usage
    space: Space
    _failed: dict[int, EmbeddingError] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        failed = {
            index: outcome.error
            for index, outcome in enumerate(self.outcomes)
            if outcome is not OK and outcome.error is not None
        }
        object.__setattr__(self, "_failed", failed)

    @property
    def failed(self) -> dict[int, EmbeddingError]:
        """The texts without a vector: position in the call -> error. Empty when all is well."""
        return self._failed

    @property
    def dimensions(self) -> int:
        """Width of the vectors."""
        return int(self.vectors.shape[1])

    def similarity(self, other: Embeddings) -> NDArray[np.float32]:
        """Cosine similarity of every vector here with every vector there.

        Returns:
            float32, shape (len(self), len(other)), values from -1 to 1; -inf where a text
            failed, so that it is never the nearest.

        Raises:
            SpaceMismatch: when the two were made in different spaces.
            TypeError: ``other`` is no Embeddings: a bare array does not say its space.
        """
        if not isinstance(other, Embeddings):
            raise TypeError(f"compare with another Embeddings, not with {type(other).__name__}")
        self.space.require_same(other.space)
        cosines = np.asarray(_unit(self.vectors) @ _unit(other.vectors).T, dtype=np.float32)
        return np.where(np.isnan(cosines), np.float32(-np.inf), cosines)

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        return np.asarray(self.vectors[index])

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return iter(self.vectors)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy:
            return np.array(self.vectors, dtype=dtype)
        converted = self.vectors if dtype is None else self.vectors.astype(dtype, copy=False)
        if copy is False and converted is not self.vectors:
            raise ValueError(f"the vectors are float32: as {dtype} they have to be copied")
        return converted

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<Embeddings {self.vectors.shape}{failed}, space {self.space.id}>"


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)
