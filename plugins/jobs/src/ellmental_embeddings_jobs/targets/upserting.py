"""What the SQL targets share: batches that are upserted, each in a transaction of its own.

Rows are told apart by ``(id, piece)``. A batch goes into a staging table; from there, rows that
are new or differ go into the table, and all others stay untouched, with their indices. What was
seen is noted in a temporary table, so that at the end what was not can be deleted. A kill leaves
the batches that were finished and a word that the table is incomplete; the same export then finds
them as they should be.
"""

from __future__ import annotations

import uuid
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import FilesError, JobStopped
from .base import About, Counts, ExportTarget, Skipped, foreign

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from .rows import Rows

__all__ = ["ABOUT_TABLE", "UpsertingTarget"]

ABOUT_TABLE = "ellmental_exports"
"""What each table of the database holds: its name, and ``About`` as JSON."""


class UpsertingTarget(ExportTarget):
    """A table that is brought up to date in its place."""

    def held(self) -> About | None:
        """From the table beside it."""
        if not self._has_table():
            return None
        found = self._read_about()
        if found is None:
            raise foreign(self.name)
        return About.from_json(found, self.name)

    def write(
        self, rows: Rows, about: About, *, anew: bool, on_skipped: Callable[[Skipped], None]
    ) -> Counts:
        """Batch by batch; what is finished stays, whatever ends it."""
        about = replace(about, run=uuid.uuid4().hex, rows=0, skipped=0, complete=False)
        with self._transaction():
            if anew:
                self._drop()
            self._make(rows)
            self._write_about(about.to_json())
        try:
            return self._fill(rows, about, on_skipped)
        except FilesError as error:
            raise JobStopped(
                f"{error.message}\n{self.name} is incomplete. The same command completes it."
            ) from None

    def _fill(self, rows: Rows, about: About, on_skipped: Callable[[Skipped], None]) -> Counts:
        changed = skipped = 0
        self._begin(rows)
        for batch, vectors in rows.batches():
            refused = self._refused(batch)
            for row, reason in refused.items():
                on_skipped(Skipped(_place(batch, row), reason))
            skipped += len(refused)
            good = [row for row in range(len(batch)) if row not in refused]
            if refused:
                batch, vectors = batch.take(good), vectors[good]  # noqa: PLW2901
            with self._transaction():
                self._require_mine(about)
                changed += self._put(batch, vectors)
        with self._transaction():
            self._require_mine(about)
            deleted = self._delete_unseen()
            done = replace(about, rows=len(rows) - skipped, skipped=skipped, complete=True)
            self._write_about(done.to_json())
        return Counts(rows=done.rows, changed=changed, deleted=deleted, skipped=skipped)

    def _require_mine(self, about: About) -> None:
        """Two exports into one table would take each other's rows away: the later one goes on."""
        found = self._read_about()
        if found is None or About.from_json(found, self.name).run != about.run:
            raise FilesError(f"{self.name}: another export into it has begun meanwhile.")

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Any]:
        """A transaction: all of it or nothing. Its errors come out as FilesError."""

    @abstractmethod
    def _has_table(self) -> bool:
        """Whether there is a table of that name."""

    @abstractmethod
    def _read_about(self) -> str | None:
        """What is said about the table, or None. Within a transaction it stays so."""

    @abstractmethod
    def _write_about(self, about: str) -> None:
        """Say it."""

    @abstractmethod
    def _drop(self) -> None:
        """Remove the table, where it is there."""

    @abstractmethod
    def _make(self, rows: Rows) -> None:
        """Make the table, where it is not there, and the one about it."""

    @abstractmethod
    def _begin(self, rows: Rows) -> None:
        """Make the temporary tables."""

    def _refused(self, batch: Any) -> dict[int, str]:
        """Rows of a batch that have no place in the table, and why."""
        del batch
        return {}

    @abstractmethod
    def _put(self, batch: Any, vectors: NDArray[np.float32]) -> int:
        """Insert and update; how many rows were new or differed."""

    @abstractmethod
    def _delete_unseen(self) -> int:
        """Delete rows that were in no batch; how many."""


def _place(batch: Any, row: int) -> str:
    values = {name: batch.column(name)[row].as_py() for name in ("id", "source", "line")}
    return f"{values['source']}:{values['line']} (id {values['id']!r})"
