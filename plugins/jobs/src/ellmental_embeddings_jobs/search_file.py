"""``_search.f32``: a dataset's vectors as one file that is mapped, not read; made on first search.

A header of 4 KiB (a mark, and JSON with the fingerprint of the parts it was made of), then all
rows as float32 of length 1. It is only ever a copy: where it does not fit the parts it is made
anew, and where it cannot be written the parts are read each time.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from .dataset.files import publish
from .dataset.fingerprint import fingerprint
from .dataset.manifest import SEARCH
from .nearest import unit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from .dataset import Dataset

__all__ = ["UnitVectors"]

_MARK = b"ellmental search file 1\n"
_HEADER = 4096
_NUMBER = np.dtype("<f4")
_BLOCK_BYTES = 8 * 1024 * 1024
_WORTH = 16 * 1024 * 1024
"""Bytes of vectors below which reading the parts is as quick."""
_GIVEN_UP = 3600
"""Seconds without a block after which whoever made a search file was killed."""


class UnitVectors:
    """The vectors of a dataset, each of length 1, in blocks of some MB.

    Args:
        dataset: whose.
        keeps: whether a search file is made on the way, where there is none.

    Attributes:
        problem: why the search file could not be written, or None.
    """

    def __init__(self, dataset: Dataset, *, keeps: bool = True) -> None:
        self._keeps = keeps
        self.problem: str | None = None
        self._dataset = dataset
        self._path = dataset.folder / SEARCH
        self._fingerprint = fingerprint(dataset)
        self._made: Path | None = None

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield (first row, float32 vectors of shape (rows, dimensions)), to the end.

        Raises:
            FilesError: a part cannot be read.
        """
        if not self._is_kept():
            yield from self._kept(self._from_parts())
            return
        rows, width = self._dataset.rows, self._dataset.space.dimensions or 0
        row = width * _NUMBER.itemsize
        step = max(_BLOCK_BYTES // row, 1)
        with self._path.open("rb") as stream:
            # Mapped block by block: as much is in memory as is under way.
            for first in range(0, rows, step):
                shape = (min(step, rows - first), width)
                yield first, np.memmap(stream, _NUMBER, "r", _HEADER + first * row, shape)

    def publish(self) -> None:
        """Give a search file that was made on the way its name: later searches use it."""
        if self._made is None:
            return
        try:
            with self._made.open("rb") as stream:
                os.fsync(stream.fileno())
            publish(self._made, self._path)
        except OSError as error:
            self._give_up(error)
        self._made = None

    def discard(self) -> None:
        """Remove what was written and not published. Raises nothing."""
        if self._made is not None:
            with suppress(OSError):
                self._made.unlink(missing_ok=True)
            self._made = None

    def _from_parts(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        first = 0
        for _, _, vectors in self._dataset.vectors():
            yield first, unit(vectors)
            first += len(vectors)

    def _kept(
        self, blocks: Iterator[tuple[int, NDArray[np.float32]]]
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The same blocks, written to a temporary file on their way."""
        width = self._dataset.space.dimensions or 0
        stream = None
        if self._keeps and self._dataset.rows * width * _NUMBER.itemsize >= _WORTH:
            stream = self._begun()
        try:
            for first, vectors in blocks:
                if stream is not None:
                    stream = self._written(stream, vectors)
                yield first, vectors
        finally:
            if stream is not None:
                stream.close()

    def _begun(self) -> BinaryIO | None:
        self._made = self._path.with_name(f".{SEARCH}.{os.getpid()}.tmp")
        stream = None
        try:
            self._clear_away()
            stream = self._made.open("wb")
            stream.write(self._head())
        except OSError as error:
            if stream is not None:
                stream.close()
            self._give_up(error)
            return None
        return stream

    def _clear_away(self) -> None:
        """Remove what searches have left that were killed: nobody writes at one any more."""
        for left in self._path.parent.glob(f".{SEARCH}.*.tmp"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _GIVEN_UP:
                    left.unlink()

    def _written(self, stream: BinaryIO, vectors: NDArray[np.float32]) -> BinaryIO | None:
        try:
            stream.write(np.ascontiguousarray(vectors, dtype=_NUMBER).data)
        except OSError as error:
            with suppress(OSError):
                stream.close()
            self._give_up(error)
            return None
        return stream

    def _give_up(self, error: OSError) -> None:
        self.problem = error.strerror or str(error)
        self.discard()

    def _is_kept(self) -> bool:
        """Whether there is a search file that fits the parts."""
        size = self._dataset.rows * (self._dataset.space.dimensions or 0) * _NUMBER.itemsize
        try:
            with self._path.open("rb") as stream:
                head = stream.read(_HEADER)
                whole = os.fstat(stream.fileno()).st_size == _HEADER + size
                return whole and head == self._head()
        except OSError:
            return False

    def _head(self) -> bytes:
        about = {
            "fingerprint": self._fingerprint,
            "rows": self._dataset.rows,
            "dimensions": self._dataset.space.dimensions,
        }
        return (_MARK + json.dumps(about).encode()).ljust(_HEADER, b" ")
