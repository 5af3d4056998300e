"""A job's journal: its segments and its failed texts, in a folder beside the parts."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from ..dataset.files import made_folder, sync_folder
from .segment import SegmentWriter, read_segment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Committed", "Journal", "read_journal"]

_NAME = re.compile(r"(?:vectors|failed)-(\d{5})\.(?:arrow|jsonl)")


class Journal:
    """Takes finished batches before anything else is done about them, and gives them back.

    A new segment is begun by every process, and with every part: never is a file appended to
    that another process wrote.

    Attributes:
        folder: where it is.
        failures: key -> reason of every text that failed for good.
        segment: number of the segment that is written now.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: SegmentWriter | None = None
        self._failed: BinaryIO | None = None
        self._failed_unsynced = False
        made_folder(folder)
        found = read_journal(folder)
        self._stored, self.failures = found.vectors, found.failures
        self.segment = 1 + found.last
        self._dropped = self.segment

    def __len__(self) -> int:
        """Texts whose vectors were found when it was opened."""
        return len(self._stored)

    @property
    def holds_any(self) -> bool:
        """Whether anything is in it that was committed to it, or put aside in its folder."""
        return any(self.folder.glob("*-*"))

    def find(self, key: bytes) -> NDArray[np.float32] | None:
        """The vector of a text that an earlier process committed; shape (dimensions,)."""
        found = self._stored.get(key)
        return None if found is None else found[0][found[1]]

    def commit(self, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Store one finished batch: once this has returned, no kill can lose it.

        Args:
            keys: of the texts.
            vectors: float32, shape (keys, dimensions), all finite.

        Raises:
            OSError: when it cannot be written; what was committed before stands.
        """
        if self._writer is None:
            self._writer = SegmentWriter(
                self.folder / f"vectors-{self.segment:05d}.arrow", int(vectors.shape[1])
            )
            sync_folder(self.folder)
        if self._writer.append(keys, vectors):
            self._sync_failures()

    def fail(self, key: bytes, reason: str) -> None:
        """Store that a text failed for good.

        Raises:
            OSError: when it cannot be written.
        """
        self.failures[key] = reason
        if self._failed is None:
            self._failed = (self.folder / f"failed-{self.segment:05d}.jsonl").open("xb")
            sync_folder(self.folder)
        line = json.dumps({"key": key.hex(), "reason": reason}) + "\n"
        self._failed.write(line.encode())
        self._failed.flush()
        self._failed_unsynced = True

    def rotate(self, oldest_needed: int) -> None:
        """Begin a new segment; remove those that this process wrote before ``oldest_needed``."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self.segment += 1
        for number in range(self._dropped, min(oldest_needed, self.segment)):
            (self.folder / f"vectors-{number:05d}.arrow").unlink(missing_ok=True)
        self._dropped = max(self._dropped, min(oldest_needed, self.segment))

    def sync(self) -> None:
        """Make everything survive a power cut."""
        if self._writer is not None:
            self._writer.sync()
        self._sync_failures()

    def _sync_failures(self) -> None:
        if self._failed is not None and self._failed_unsynced:
            os.fsync(self._failed.fileno())
            self._failed_unsynced = False

    def close(self) -> None:
        """Close it; everything in it stays. Raises nothing."""
        with suppress(OSError):
            self.sync()
        with suppress(OSError):
            if self._writer is not None:
                self._writer.close()
        with suppress(OSError):
            if self._failed is not None:
                self._failed.close()
        self._writer = self._failed = None

    def remove(self) -> None:
        """Close it and remove it: everything in it is in parts."""
        self.close()
        self._stored.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(slots=True)
class Committed:
    """What a journal holds that processes have left.

    Attributes:
        vectors: key -> the batch that has it, and its row there.
        failures: key -> reason of every text that failed for good.
        last: number of the last segment; 0 where there is none.
    """

    vectors: dict[bytes, tuple[NDArray[np.float32], int]] = field(default_factory=dict)
    failures: dict[bytes, str] = field(default_factory=dict)
    last: int = 0


def read_journal(folder: Path) -> Committed:
    """What a journal's folder holds, if there is one. Changes nothing."""
    found = Committed()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        named = _NAME.fullmatch(path.name)
        if named is None:
            continue
        found.last = max(found.last, int(named[1]))
        if path.suffix == ".jsonl":
            found.failures.update(_failures_in(path))
            continue
        for keys, vectors in read_segment(path):
            for row, key in enumerate(keys):
                found.vectors[key] = (vectors, row)
    for key in found.vectors.keys() & found.failures.keys():
        del found.failures[key]  # tried again, with success
    return found


def _failures_in(path: Path) -> Iterator[tuple[bytes, str]]:
    for line in path.read_bytes().splitlines():
        try:
            stored = json.loads(line)
            yield bytes.fromhex(stored["key"]), str(stored["reason"])
        except (ValueError, KeyError, TypeError):  # torn: the last line of a killed process
            return
