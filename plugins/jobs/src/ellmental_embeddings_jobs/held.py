"""What a job would not send, since its output has it already; looked at, and left as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dataset.failures import failed_texts
from .dataset.prefix import Prefix
from .dataset.stored import StoredVectors
from .journal import read_journal
from .keys import text_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .document import Piece
    from .target import Target

__all__ = ["Held", "known_failures", "reusable_vectors"]


def known_failures(target: Target, journal: dict[bytes, str]) -> dict[bytes, str]:
    """Key -> reason of the texts that failed for good in earlier runs of a job.

    Args:
        target: what the job goes on from.
        journal: those that its journal has.
    """
    base = failed_texts(target.base) if target.base else {}
    return {**base, **failed_texts(target.folder), **journal}


def reusable_vectors(target: Target) -> list[StoredVectors]:
    """Vectors that lie beside the rows a job goes on from: of the base, and put aside by others.

    Raises:
        FilesError: when a part cannot be read.
    """
    base = sorted(target.base.glob("part-*.parquet")) if target.base else []
    aside = sorted(target.journal.glob("previous-*.parquet"))
    return [StoredVectors(paths) for paths in (base, aside) if paths]


class Held:
    """Answers as ``Store`` would, piece by piece in the order of the input, and writes nothing.

    Args:
        target: what a job would go on from.
        kept: names of the columns kept from the input.
        retry_failed: what failed for good would be sent again.

    Attributes:
        vectors: pieces so far that have a vector.
        failed: pieces so far that failed in an earlier run, and are not tried again.

    Raises:
        FilesError: when a part cannot be read; from every method.
    """

    def __init__(self, target: Target, *, kept: Sequence[str], retry_failed: bool) -> None:
        self.vectors = self.failed = 0
        self._prefix: Prefix | None = Prefix(target.folder, tuple(kept))
        self._parts = self._prefix.parts
        journal = read_journal(target.journal)
        self._journal = journal.vectors.keys()
        self._failures = {} if retry_failed else known_failures(target, journal.failures)
        self._stored = reusable_vectors(target)

    def has(self, piece: Piece) -> bool:
        """Whether the next piece of the input would not be sent; counts it if so."""
        key = text_key(piece.text)
        if self._prefix is not None and self._prefix.matches(piece):
            for stored in self._stored:
                stored.has(key)
            self.vectors += 1
            return True
        if key not in self._journal and key in self._failures:
            self.failed += 1
            return True
        self._leave_prefix()
        # Each is asked: what none of them is asked for has vanished from the input.
        found = [key in self._journal, *(stored.has(key) for stored in self._stored)]
        self.vectors += any(found)
        return any(found)

    def vanished(self) -> int:
        """At the end: rows of before that the input has no more."""
        if self._prefix is not None and not self._prefix.exhausted:
            self._leave_prefix()
        return sum(stored.unused() for stored in self._stored)

    def close(self) -> None:
        """Close the files."""
        if self._prefix is not None:
            self._prefix.close()
        for stored in self._stored:
            stored.close()

    def _leave_prefix(self) -> None:
        if self._prefix is None:
            return
        part, row = self._prefix.place
        self._prefix.close()
        self._prefix = None
        if part < len(self._parts):
            self._stored.append(StoredVectors(self._parts[part:], used=row))
