"""Finished rows of an incomplete dataset that are in its journal, and in none of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dataset.manifest import JOURNAL, PART_PATTERN
from .dataset.vectors import batches, open_part
from .journal import read_journal
from .keys import text_key

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["journaled_rows"]

_ROWS = 16_384


def journaled_rows(folder: Path) -> int:
    """Count them, each text once; a segment goes on holding rows that parts have got since.

    The texts of all parts are read, but only where the journal holds any vector.

    Raises:
        FilesError: when a part cannot be read.
    """
    keys = set(read_journal(folder / JOURNAL).vectors)
    for path in sorted(folder.glob(PART_PATTERN)):
        if not keys:
            break
        with open_part(path) as file:
            for batch in batches(file, path, _ROWS, ["text"]):
                keys.difference_update(map(text_key, batch.column(0).to_pylist()))
    return len(keys)
