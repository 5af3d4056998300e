"""A job's journal: its segments and its failed texts, in a folder beside the parts."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from ..dataset.files import sync_folder
from .segment import SegmentWriter, read_segment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Journal"]

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
        self.failures: dict[bytes, str] = {}
        self._stored: dict[bytes, tuple[NDArray[np.float32], int]] = {}
        self._writer: SegmentWriter | None = None
        self._failed: BinaryIO | None = None
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
        self.segment = 1 + self._load()
        self._dropped = self.segment

    def __len__(self) -> int:
        """Texts whose vectors were found when it was opened."""
        return len(self._stored)

    @property
    def holds_any(self) -> bool:
        """Whether anything was ever committed to it that is still in it."""
        return any(_NAME.fullmatch(path.name) for path in self.folder.glob("*-*"))

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
        self._writer.append(keys, vectors)

    def fail(self, key: bytes, reason: str) -> None:
        """Store that a text failed for good.

        Raises:
            OSError: when it cannot be written.
        """
        self.failures[key] = reason
        if self._failed is None:
            self._failed = (self.folder / f"failed-{self.segment:05d}.jsonl").open("xb")
        line = json.dumps({"key": key.hex(), "reason": reason}) + "\n"
        self._failed.write(line.encode())
        self._failed.flush()

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
        if self._failed is not None:
            os.fsync(self._failed.fileno())

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

    def _load(self) -> int:
        last = 0
        for path in sorted(self.folder.iterdir()):
            named = _NAME.fullmatch(path.name)
            if named is None:
                continue
            last = max(last, int(named[1]))
            if path.suffix == ".jsonl":
                self._load_failures(path)
                continue
            for keys, vectors in read_segment(path):
                for row, key in enumerate(keys):
                    self._stored[key] = (vectors, row)
        for key in self._stored.keys() & self.failures.keys():
            del self.failures[key]  # tried again, with success
        return last

    def _load_failures(self, path: Path) -> None:
        for line in path.read_bytes().splitlines():
            try:
                stored = json.loads(line)
                self.failures[bytes.fromhex(stored["key"])] = str(stored["reason"])
            except (ValueError, KeyError, TypeError):  # torn: the last line of a killed process
                return
