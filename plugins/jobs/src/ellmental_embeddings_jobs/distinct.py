"""How many different texts there are among any number, in bounded memory."""

from __future__ import annotations

import hashlib
import tempfile
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

__all__ = ["Distinct"]

_HASH = np.dtype("<u8")
_CHUNK = 1 << 20
"""Hashes in memory at a time: 8 MiB."""


class Distinct:
    """Counts different texts by their hashes, which lie in a temporary file: 8 bytes a text.

    Hashes of 64 bits: among ten million texts two different ones are counted as one with a
    probability of one in 370,000 (n^2 / 2^65).
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="ellmental-")  # noqa: SIM115 - see __exit__
        self._hashes = bytearray()
        self._texts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, text: str) -> None:
        """One more text.

        Raises:
            OSError: the temporary file cannot be written.
        """
        self._hashes += _digest(text)
        self._texts += 1
        if len(self._hashes) >= _CHUNK * _HASH.itemsize:
            self._flush()

    def count(self) -> int:
        """How many different ones there were.

        Raises:
            OSError: the temporary file cannot be written.
        """
        return self._texts - sum(len(same) for same in self._repeated())

    def repeated(self, most: int) -> set[int]:
        """Hashes (``hash_of``) that were there more than once, so many of them at most.

        Raises:
            OSError: the temporary file cannot be written.
        """
        found: set[int] = set()
        for same in self._repeated():
            found.update(same[: most - len(found)].tolist())
            if len(found) >= most:
                break
        return found

    @staticmethod
    def hash_of(text: str) -> int:
        """What stands for a text."""
        return int.from_bytes(_digest(text), "little")

    def _repeated(self) -> Iterator[NDArray[np.uint64]]:
        """The hashes that are equal to the one before them, when all are sorted."""
        self._flush()
        if not self._texts:
            return
        # Sorted within the file: its pages go back to the disk where memory is short.
        hashes: NDArray[np.uint64] = np.memmap(self._file, _HASH, "r+", shape=(self._texts,))
        hashes.sort()
        for start in range(0, self._texts - 1, _CHUNK):
            some = hashes[start : start + _CHUNK + 1]
            yield some[1:][some[1:] == some[:-1]]

    def _flush(self) -> None:
        self._file.write(self._hashes)
        self._file.flush()
        self._hashes.clear()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_HASH.itemsize).digest()
