"""Rows back in the order of the input, whatever order their vectors come in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from .document import Failure, Piece

__all__ = ["Entry", "Reorder"]


@dataclass(slots=True, eq=False)
class Entry:
    """One row of the output, or of the failed ones, while it waits for its turn.

    Attributes:
        size: bytes of the input that are its own.
        piece: what the row is; None for a row of the input that is no text.
        key: of its text.
        vector: once it is there, shape (dimensions,).
        failure: why there is none, once that is known.
        segment: the journal's segment that holds it, where this process wrote it.
    """

    size: int
    piece: Piece | None = None
    key: bytes = b""
    vector: NDArray[np.float32] | None = None
    failure: Failure | None = None
    segment: int | None = None

    @property
    def settled(self) -> bool:
        """Whether it is known what becomes of it."""
        return self.vector is not None or self.failure is not None


class Reorder:
    """Rows in the order of the input, from the first that is not settled.

    Attributes:
        rows: rows that have their vector and wait for one before them.
        failed: rows that have failed, and wait as well.
        outstanding: bytes of the rows that are not settled.
    """

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._sent: dict[int, Entry] = {}
        self._count = 0
        self.rows = self.failed = self.outstanding = 0

    def __len__(self) -> int:
        """Rows that wait."""
        return len(self._entries)

    @property
    def is_next_settled(self) -> bool:
        """Whether the turn of the first row has come."""
        return bool(self._entries) and self._entries[0].settled

    def add(self, entry: Entry) -> None:
        """Take a row that is settled already."""
        self._entries.append(entry)
        self._count_settled(entry, 1)

    def send(self, entry: Entry) -> None:
        """Take a row whose text is sent as the next of a stream."""
        self._entries.append(entry)
        self._sent[self._count] = entry
        self._count += 1
        self.outstanding += entry.size

    def take_sent(self, position: int) -> Entry:
        """The row of the text at a position of that stream; asked for once."""
        return self._sent.pop(position)

    def settle(self, entry: Entry) -> None:
        """Note that a row that was sent has got its vector, or its failure; said once."""
        self.outstanding -= entry.size
        self._count_settled(entry, 1)

    def settled(self) -> Iterator[Entry]:
        """Take out the rows from the first on, up to one that is not settled."""
        while self._entries and self._entries[0].settled:
            entry = self._entries.popleft()
            self._count_settled(entry, -1)
            yield entry

    def oldest_segment(self) -> int | None:
        """The first of the journal's segments that holds a row that waits, or None."""
        return min(
            (entry.segment for entry in self._entries if entry.segment is not None), default=None
        )

    def _count_settled(self, entry: Entry, step: int) -> None:
        if entry.failure is None:
            self.rows += step
        else:
            self.failed += step
