"""Checked vectors to rows: one float32 matrix, each vector on its own text's row."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigurationError
from ..result import CACHED, OK, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..errors import EmbeddingError
    from .plan import Plan

__all__ = ["Placement", "blank"]


class Placement:
    """Collects a call's vectors and errors, in whatever order they come."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._matrix: NDArray[np.float32] | None = None
        self._done = np.zeros(len(plan.pieces), dtype=bool)
        self._recalled = np.zeros(len(plan.pieces), dtype=bool)
        self._any_recalled = False
        self._errors: dict[int, EmbeddingError] = {}
        # Vectors of pieces that no text is made of alone: parts of averaged texts.
        self._parts: dict[int, NDArray[np.float32]] = {}
        # The row a piece's vector is written to: its first text's, or -1 for a mere part.
        # As nearly always: each text is one piece, different from all others. They stand in the
        # order of first use, so as many of them as texts can be nothing else.
        self._one_to_one = len(plan.pieces) == len(plan.piece_of) and not plan.split
        if self._one_to_one:
            self._row = np.arange(len(plan.pieces), dtype=np.int64)
        else:
            # Written backwards, since numpy keeps the last of several values for one index.
            self._row = np.full(len(plan.pieces), -1, dtype=np.int64)
            whole = np.flatnonzero(plan.piece_of >= 0)[::-1]
            self._row[plan.piece_of[whole]] = whole
        self._taken = np.zeros(len(plan.piece_of), dtype=bool)
        self._in_parts = {piece for pieces in plan.split.values() for piece in pieces}

    @property
    def width(self) -> int | None:
        """Dimensions of what was put so far; None before."""
        return None if self._matrix is None else int(self._matrix.shape[1])

    @property
    def recalled(self) -> int:
        """How many pieces have their vector from the cache."""
        return int(self._recalled.sum()) if self._any_recalled else 0

    def missing(self) -> Sequence[int]:
        """The pieces that have neither a vector nor an error yet: a range where that is all."""
        if self._matrix is None and not self._errors:
            return range(len(self._done))
        return [
            piece for piece in np.flatnonzero(~self._done).tolist() if piece not in self._errors
        ]

    @property
    def is_whole(self) -> bool:
        """Whether every text has its vector, or has failed."""
        return self.decided() == len(self._plan.piece_of)

    def decided(self) -> int:
        """How many texts have their vector, or have failed; may be asked from any thread."""
        known = self._done.copy()
        known[list(self._errors)] = True
        plan = self._plan
        whole = plan.piece_of[plan.piece_of >= 0]
        refused = len(plan.piece_of) - len(whole) - len(plan.split)
        split = sum(bool(known[list(pieces)].all()) for pieces in plan.split.values())
        return refused + int(known[whole].sum()) + split

    def recall(self, pieces: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """``put`` vectors that are not from the service but from the cache."""
        self.put(pieces, vectors)
        self._recalled[list(pieces)] = self._any_recalled = True

    def forget(self) -> list[int]:
        """Throw away all vectors; return the pieces whose vectors they were."""
        pieces: list[int] = np.flatnonzero(self._done).tolist()
        self._matrix, self._parts = None, {}
        self._done[:] = self._recalled[:] = False
        return pieces

    def put(self, pieces: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Write the vectors of pieces; shape (pieces, dimensions)."""
        matrix = self._allocated(vectors.shape[1])
        self._done[_slice_or_list(pieces)] = True
        room = self.room(pieces, vectors.shape[1])
        if room is not None:
            if _address(room) != _address(vectors):
                room[:] = vectors
        else:
            rows = self._row[_slice_or_list(pieces)]
            whole = rows >= 0
            matrix[rows[whole]] = vectors[whole]
        if self._in_parts:
            for place, piece in enumerate(pieces):
                if piece in self._in_parts:
                    self._parts[piece] = vectors[place].copy()

    def room(self, pieces: Sequence[int], width: int | None) -> NDArray[np.float32] | None:
        """The rows that the vectors of pieces go to, where they stand side by side in order.

        Args:
            pieces: which pieces.
            width: dimensions of their vectors, None where that is not known yet.

        Returns:
            A view of the matrix, shape (pieces, width), to be written to and put; else None.
        """
        if width is None or self.width not in (None, width):
            return None
        if self._one_to_one and isinstance(pieces, range):
            return self._allocated(width)[pieces.start : pieces.stop]
        rows = self._row[_slice_or_list(pieces)]
        first, last = int(rows[0]), int(rows[-1])
        if first < 0 or last - first != len(rows) - 1 or not bool((np.diff(rows) == 1).all()):
            return None
        return self._allocated(width)[first : last + 1]

    def _allocated(self, width: int) -> NDArray[np.float32]:
        if self._matrix is None:
            texts = len(self._plan.piece_of)
            try:
                self._matrix = np.empty((texts, width), dtype=np.float32)
            except (MemoryError, ValueError, OverflowError):
                raise ConfigurationError(
                    f"no memory for {texts:,} vectors of {width:,} dimensions. Take fewer texts at "
                    "a time, or `stream`; or mend EMBEDDING_DIMENSIONS, if it is set."
                ) from None
        return self._matrix

    def fail(self, pieces: Sequence[int], error: EmbeddingError) -> None:
        """Say of pieces that they have no vector."""
        for piece in pieces:
            self._errors[piece] = error

    def finish(
        self, width: int, unsent: EmbeddingError, *, normalised: bool | None
    ) -> tuple[NDArray[np.float32], list[Outcome]]:
        """All rows and outcomes, in the order of the texts.

        Args:
            width: dimensions, for the case that nothing has succeeded.
            unsent: the error of pieces that were never finished.
            normalised: whether means are to have length 1, as the model's vectors have.
        """
        plan = self._plan
        texts = len(plan.piece_of)
        matrix = blank(texts, width) if self._matrix is None else self._matrix
        outcomes = [OK] * texts
        if self._any_recalled:
            known = (plan.piece_of >= 0) & self._recalled[plan.piece_of]
            for text in np.flatnonzero(known).tolist():
                outcomes[text] = CACHED
        if self._one_to_one and not (plan.outcomes or self._errors) and self._done.all():
            return matrix, outcomes
        for unfinished in np.flatnonzero(~self._done).tolist():
            self._errors.setdefault(unfinished, unsent)
        for text, outcome in plan.outcomes.items():
            outcomes[text] = outcome
        self._copy_to_duplicates(matrix)
        for text, pieces in plan.split.items():
            broken = next((self._errors[piece] for piece in pieces if piece in self._errors), None)
            if broken is None:
                matrix[text] = self._mean(pieces, normalised=normalised)
            else:
                outcomes[text] = replace(outcomes[text], status="failed", error=broken)
        if self._errors:
            for hit in np.flatnonzero(np.isin(plan.piece_of, list(self._errors))).tolist():
                error = self._errors[int(plan.piece_of[hit])]
                outcomes[hit] = replace(outcomes[hit], status="failed", error=error)
        failed = [text for text, outcome in enumerate(outcomes) if outcome.error is not None]
        matrix[failed] = np.nan
        return matrix, outcomes

    def take_decided(
        self, width: int, *, normalised: bool | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], list[Outcome]]:
        """The texts decided since the last time: (positions, their rows, their outcomes).

        Args:
            width: dimensions, for the case that nothing has succeeded yet.
            normalised: as of ``finish``.
        """
        plan = self._plan
        known = self._done.copy()
        known[list(self._errors)] = True
        decided = ~self._taken  # a text that was refused in the plan has no piece to wait for
        whole = plan.piece_of >= 0
        decided[whole] &= known[plan.piece_of[whole]]
        for text, pieces in plan.split.items():
            decided[text] &= all(known[piece] for piece in pieces)
        positions = np.flatnonzero(decided)
        self._taken[positions] = True
        outcomes = [self._outcome(text) for text in positions.tolist()]
        good = np.array([outcome.error is None for outcome in outcomes], dtype=bool)
        rows = blank(len(positions), self.width or width)
        of_one = good & whole[positions]
        if of_one.any():
            assert self._matrix is not None
            rows[of_one] = self._matrix[self._row[plan.piece_of[positions[of_one]]]]
        for place in np.flatnonzero(good & ~whole[positions]).tolist():
            rows[place] = self._mean(plan.split[int(positions[place])], normalised=normalised)
        return positions, rows, outcomes

    def _outcome(self, text: int) -> Outcome:
        """What became of one text whose pieces are all decided."""
        piece = int(self._plan.piece_of[text])
        usual = CACHED if piece >= 0 and self._recalled[piece] else OK
        outcome = self._plan.outcomes.get(text, usual)
        pieces = self._plan.split.get(text, ()) if piece < 0 else (piece,)
        error = next((self._errors[piece] for piece in pieces if piece in self._errors), None)
        return outcome if error is None else replace(outcome, status="failed", error=error)

    def _copy_to_duplicates(self, matrix: NDArray[np.float32]) -> None:
        piece_of = self._plan.piece_of
        whole = np.flatnonzero(piece_of >= 0)
        first = self._row[piece_of[whole]]
        again = first != whole
        if again.any():
            matrix[whole[again]] = matrix[first[again]]

    def _mean(self, pieces: tuple[int, ...], *, normalised: bool | None) -> NDArray[np.float32]:
        """The pieces' mean, weighted by their tokens; of length 1 where the model's are.

        Weighting by length is what OpenAI's cookbook does ("Embedding texts that are longer
        than the model's maximum context length").
        """
        weights = np.array([self._plan.tokens[piece] for piece in pieces], dtype=np.float64)
        vectors = np.stack([self._parts[piece] for piece in pieces]).astype(np.float64)
        mean = (weights / weights.sum()) @ vectors
        if normalised:
            mean /= np.linalg.norm(mean) or 1.0
        return np.asarray(mean, dtype=np.float32)


def blank(texts: int, width: int) -> NDArray[np.float32]:
    """Rows of NaN; of no width where what EMBEDDING_DIMENSIONS asks for has no place in memory."""
    try:
        return np.full((texts, width), np.nan, dtype=np.float32)
    except (MemoryError, ValueError, OverflowError):
        return np.full((texts, 0), np.nan, dtype=np.float32)


def _address(array: NDArray[np.float32]) -> tuple[int, tuple[int, ...]]:
    """Where an array's numbers are, and how they are laid out."""
    return array.__array_interface__["data"][0], array.strides


def _slice_or_list(pieces: Sequence[int]) -> slice | list[int]:
    return slice(pieces.start, pieces.stop) if isinstance(pieces, range) else list(pieces)
