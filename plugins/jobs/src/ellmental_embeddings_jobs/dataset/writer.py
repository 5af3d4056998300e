"""Rows in, parts out: bounded memory, whole parts only, nothing said that is not so."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ellmental_embeddings import Space

from .failures import FailureList
from .manifest import PartEntry, part_name
from .part import PartWriter, row_group, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ..document import Failure, Piece
    from .manifest import Manifest

__all__ = ["DatasetWriter"]

ROWS_PER_GROUP = 16_000
ROWS_PER_PART = 64_000
BYTES_PER_GROUP = 64 * 1024 * 1024


class DatasetWriter:
    """Writes parts into a folder that is there. Rows are held until a row group is full.

    Args:
        folder: where to.
        manifest: what is known so far; written with every part, so that a kill leaves a true one.
        kept: Arrow fields of the columns kept from the input.

    Attributes:
        on_part: called with a part's rows when it has its name: the first of those that were
            taken and were in no part yet are safe.
        broken: whether a part could not be written: rows that were taken are in none then.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, kept: Sequence[Any] = ()) -> None:
        self.folder = folder
        self.manifest = manifest
        self.on_part: Callable[[int], None] = lambda _: None
        self._kept = kept
        self._space = Space.from_dict(manifest.space) if manifest.space else None
        self._schema: Any = None
        self._part: PartWriter | None = None
        self._pieces: list[Piece] = []
        self._vectors: list[NDArray[np.float32]] = []
        self._bytes = 0
        self.broken = False
        self._failures = FailureList(folder)

    def require(self, space: Space) -> None:
        """Make sure that rows of a space may be added, and say so in the manifest.

        Raises:
            SpaceMismatch: when the rows so far are of another one.
            OSError: when the manifest cannot be written.
        """
        if self._space is not None:
            self._space.require_same(space)
            return
        self._space = space
        self.manifest.space = space.to_dict()
        self.manifest.write(self.folder)

    def add(self, pieces: Sequence[Piece], vectors: NDArray[np.float32]) -> None:
        """Take rows of the required space; vectors float32, shape (len(pieces), dimensions).

        Raises:
            OSError: when the disk is full.
        """
        start = 0
        while start < len(pieces):
            stop = start + ROWS_PER_GROUP - len(self._pieces)
            self._hold(pieces[start:stop], vectors[start:stop])
            start = stop

    def _hold(self, pieces: Sequence[Piece], vectors: NDArray[np.float32]) -> None:
        self._pieces.extend(pieces)
        self._vectors.append(vectors)
        self._bytes += vectors.nbytes + sum(piece.end - piece.start for piece in pieces)
        if len(self._pieces) >= ROWS_PER_GROUP or self._bytes >= BYTES_PER_GROUP:
            self._flush()

    def add_stored(self, table: Any) -> None:
        """Take rows as another part of this dataset stores them.

        Raises:
            OSError: when the disk is full.
        """
        self._flush()
        if len(table):
            self._write(lambda _: table.replace_schema_metadata(self.manifest.part_metadata()))

    def fail(self, failure: Failure) -> None:
        """Note a row without a vector.

        Raises:
            OSError: when the disk is full.
        """
        self._failures.add(failure)
        self.manifest.failed = self._failures.count

    def finish(self) -> None:
        """Write what is held, and say that the dataset is complete.

        Raises:
            OSError: when the disk is full.
        """
        self._flush()
        self._close_part()
        self._failures.publish(complete=True)
        self.manifest.complete = True
        self.manifest.reason = None
        self.manifest.failed = self._failures.count
        self.manifest.write(self.folder)

    def stop(self, reason: str) -> None:
        """End early: make a part of what is held, and say in the manifest why. Raises nothing."""
        with suppress(OSError):  # the disk is full: the parts written before stay
            self._flush()
            self._close_part()
        self.manifest.complete = False
        self.manifest.reason = reason
        with suppress(OSError):
            self._failures.publish(complete=False)
        with suppress(OSError):
            self._failures.close()
        with suppress(OSError):  # the one written before says "not complete", too
            self.manifest.write(self.folder)

    def _flush(self) -> None:
        if not self._pieces:
            return
        import numpy as np

        pieces, vectors = self._pieces, np.concatenate(self._vectors)
        self._pieces, self._vectors, self._bytes = [], [], 0
        self._write(lambda arrow_schema: row_group(pieces, vectors, arrow_schema))

    def _write(self, table: Callable[[Any], Any]) -> None:
        if self.broken:  # rows are missing before these: the journal has all of them
            return
        with self._whole_or_gone():
            part = self._part = self._part or self._begun()
            part.add(table(self._schema))
        if part.rows >= ROWS_PER_PART:
            self._close_part()

    def _begun(self) -> PartWriter:
        if self._schema is None:
            assert self._space is not None
            assert self._space.dimensions is not None
            self._schema = schema(
                self._space.dimensions,
                self.manifest.part_metadata(),
                store=self.manifest.store,
                kept=self._kept,
            )
        return PartWriter(self.folder / part_name(len(self.manifest.parts)), self._schema)

    def _close_part(self) -> None:
        if self._part is None:
            return
        part = self._part
        with self._whole_or_gone():
            part.close()
        self._part = None
        self.manifest.parts.append(PartEntry(name=part.path.name, rows=part.rows))
        self.manifest.rows += part.rows
        self.manifest.write(self.folder)
        self.on_part(part.rows)

    @contextmanager
    def _whole_or_gone(self) -> Iterator[None]:
        """A part that failed once is never tried again: it could be closed, with rows missing."""
        try:
            yield
        except BaseException:
            part, self._part = self._part, None
            self.broken = True
            if part is not None:
                part.discard()
            raise
