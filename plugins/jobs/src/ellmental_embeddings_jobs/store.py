"""A job's store: what is there already, what is finished now, and the parts they go into."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from .dataset import DatasetWriter, PartEntry
from .dataset import writer as dataset_writer
from .dataset.files import sync_folder
from .dataset.prefix import Prefix
from .dataset.stored import StoredVectors, tables_up_to
from .dataset.vectors import open_part
from .document import Failure
from .held import known_failures, reusable_vectors
from .journal import Journal
from .journaled import journaled_rows
from .keys import text_key
from .reorder import Reorder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from ellmental_embeddings import Space

    from .document import Piece
    from .reorder import Entry
    from .target import Target

__all__ = ["Store", "failure_of"]

_SHOWN = 5
_PREVIOUS = "previous-{:05d}.parquet"


class Store:
    """Takes what is finished, in any order, and makes parts of it in the order of the input.

    What a dataset has already is compared with the input row by row; as long as they agree
    nothing is read but their columns of text. Where they part, the parts from there on become
    mere sources of vectors: whatever of their texts the input still has is copied, not sent.

    Args:
        target: where to write; begun already.
        kept: Arrow fields of the columns kept from the input.
        retry_failed: forget what failed for good.

    Attributes:
        rows: rows that are in parts, or on their way there.
        known: those of them that were there before.
        order: rows that wait for their turn.
        retried: rows sent now whose texts had failed in an earlier run.
        recovered: those of them that have a vector now.
    """

    def __init__(
        self, target: Target, *, kept: Sequence[Any] = (), retry_failed: bool = False
    ) -> None:
        self.target = target
        self.rows = self.known = self.retried = self.recovered = 0
        self.order = Reorder()
        self._unsafe: deque[int | None] = deque()  # segments of rows that are in no part yet
        self._prefix: Prefix | None = Prefix(target.folder, tuple(item.name for item in kept))
        self._entries = [_entry(path) for path in self._prefix.parts]
        target.manifest.parts = list(self._entries)
        target.manifest.rows = sum(entry.rows for entry in self._entries)
        self.journal = Journal(target.journal)
        self.writer = DatasetWriter(target.folder, target.manifest, kept=kept)
        self.writer.on_part = self._part_is_safe
        failures = known_failures(target, self.journal.failures)
        self._failures = {} if retry_failed else failures
        self._retrying = frozenset(failures if retry_failed else ())
        self._stored = reusable_vectors(target)
        for left in target.folder.glob(".part-*.tmp"):
            left.unlink()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that another run could go on from."""
        return not (self.rows or self.target.manifest.rows or self.journal.holds_any)

    def has_row(self, piece: Piece) -> bool:
        """Whether the next row of the dataset is this piece's: then nothing is to be done."""
        if self._prefix is None or not self._prefix.matches(piece):
            return False
        for stored in self._stored:  # or it would count as vanished
            stored.has(text_key(piece.text))
        self.rows += 1
        self.known += 1
        return True

    def recall(self, entry: Entry) -> bool:
        """Settle a row from what is stored; False where its text is to be sent.

        Raises:
            FilesError: when a part cannot be read.
            OSError: when the disk is full.
        """
        assert entry.piece is not None
        vector = self.journal.find(entry.key)
        if vector is None and (reason := self._failures.get(entry.key)) is not None:
            entry.failure = failure_of(entry.piece, reason)
            self.order.add(entry)
            return True
        self._leave_prefix()
        for stored in self._stored:
            if vector is None:
                vector = stored.find(entry.key)
            else:
                stored.has(entry.key)
        if vector is None:
            return False
        entry.vector = vector
        self.known += 1
        self.order.add(entry)
        return True

    def commit(self, entries: list[Entry], vectors: NDArray[np.float32], space: Space) -> None:
        """Store finished rows: once this has returned, no kill loses them.

        Args:
            entries: the rows.
            vectors: float32, shape (entries, dimensions).
            space: of the vectors.

        Raises:
            SpaceMismatch: when the rows so far are of another space.
            OSError: when the disk is full.
        """
        self.writer.require(space)
        self.journal.commit([entry.key for entry in entries], vectors)
        for entry, vector in zip(entries, vectors, strict=True):
            entry.vector, entry.segment = vector, self.journal.segment
            self.order.settle(entry)
            self.retried += entry.key in self._retrying
            self.recovered += entry.key in self._retrying

    def fail(self, entry: Entry, reason: str) -> None:
        """Store that a text has failed for good.

        Raises:
            OSError: when the disk is full.
        """
        assert entry.piece is not None
        self.journal.fail(entry.key, reason)
        entry.failure = failure_of(entry.piece, reason)
        self.order.settle(entry)
        self.retried += entry.key in self._retrying

    def advance(self) -> list[Entry]:
        """Write the rows whose turn it is, and return them.

        Raises:
            OSError: when the disk is full.
        """
        entries = list(self.order.settled())
        rows = []
        for entry in entries:
            if entry.failure is not None:
                self.writer.fail(entry.failure)
            elif entry.vector is not None:
                rows.append(entry)
        if rows:
            self.rows += len(rows)
            self._unsafe.extend(entry.segment for entry in rows)
            pieces = [entry.piece for entry in rows if entry.piece is not None]
            vectors = [entry.vector for entry in rows if entry.vector is not None]
            self.writer.add(pieces, np.stack(vectors))
        return entries

    def finish(self) -> tuple[int, list[str]]:
        """Make the dataset complete, and put it in its place.

        Returns:
            rows of before that the input has no more, and where some of them came from.

        Raises:
            OSError: when the disk is full.
        """
        if self._prefix is not None and not self._prefix.exhausted:
            self._leave_prefix()
        self.writer.finish()
        gone = sum(stored.unused() for stored in self._stored)
        places = [place for stored in self._stored for place in stored.some_unused(_SHOWN)]
        for stored in self._stored:
            stored.close()
        self.journal.remove()
        self.target.put_in_place()
        return gone, places[:_SHOWN]

    def stop(self, reason: str) -> None:
        """End early: keep everything that is finished. Raises nothing."""
        self.writer.stop(reason)
        self.journal.close()
        for stored in self._stored:
            stored.close()

    def journaled(self) -> int:
        """Finished rows that are kept, and are in no part; asked for once it is stopped."""
        if len(self.journal) or self.writer.broken:  # not all of them have come by in this run
            return max(journaled_rows(self.target.folder), self.order.rows)
        return self.order.rows

    def _leave_prefix(self) -> None:
        """The input has another row than the dataset: go on from before that row."""
        if self._prefix is None:
            return
        part, row = self._prefix.place
        self._prefix.close()
        self._prefix = None
        last = self._entries[-1].rows if self._entries else dataset_writer.ROWS_PER_PART
        if part == len(self._entries) and last < dataset_writer.ROWS_PER_PART:
            part, row = part - 1, last  # a short last part is filled up
        moved = self._put_aside(part)
        del self._entries[part:]
        self.writer.manifest.parts = list(self._entries)
        self.writer.manifest.rows = sum(entry.rows for entry in self._entries)
        if not moved:
            return
        for table in tables_up_to(moved[0], row):
            self._unsafe.extend([None] * len(table))
            self.writer.add_stored(table)
        others = StoredVectors(moved, used=row)
        if others.unused():
            self._stored.append(others)
        else:
            others.close()

    def _put_aside(self, first: int) -> list[Path]:
        """Rename the parts from one on, the last first: never is there a gap before a part."""
        folder = self.target.journal
        number = len(list(folder.glob("previous-*.parquet")))
        named = [
            (self.target.folder / entry.name, folder / _PREVIOUS.format(number + place))
            for place, entry in enumerate(self._entries[first:])
        ]
        for part, aside in reversed(named):
            part.rename(aside)
        if named:
            sync_folder(folder)
            sync_folder(self.target.folder)
        return [aside for _, aside in named]

    def _part_is_safe(self, rows: int) -> None:
        """Rows of a part need no journal any more: drop what holds no others."""
        for _ in range(rows):
            self._unsafe.popleft()
        needed = [*self._unsafe, self.order.oldest_segment()]
        oldest = min((segment for segment in needed if segment is not None), default=None)
        self.journal.rotate(self.journal.segment + 1 if oldest is None else oldest)


def failure_of(piece: Piece, reason: str) -> Failure:
    """A piece that has no vector."""
    return Failure(
        id=piece.document.id,
        source=piece.document.source,
        line=piece.line,
        reason=reason,
        piece=piece.number,
        start=piece.start,
        end=piece.end,
        key=text_key(piece.text).hex(),
    )


def _entry(path: Path) -> PartEntry:
    with open_part(path) as file:
        return PartEntry(name=path.name, rows=file.metadata.num_rows)
