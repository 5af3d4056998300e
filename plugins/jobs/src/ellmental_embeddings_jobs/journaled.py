"""Datasets to look into while they are incomplete: finished rows may be in the journal alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .dataset import open_dataset
from .dataset.manifest import JOURNAL, PART_PATTERN
from .dataset.vectors import batches, open_part
from .errors import FilesError
from .journal import read_journal
from .keys import text_key
from .naming import counted

if TYPE_CHECKING:
    from pathlib import Path

    from .dataset import Dataset

__all__ = ["journaled_rows", "open_to_look_at", "warn_incomplete"]

_ROWS = 16_384


def open_to_look_at(out: Path) -> Dataset:
    """As ``open_dataset``; where all rows are in the journal yet, it says so.

    Raises:
        FilesError: when OUT is missing, no dataset, damaged, or has no rows in parts.
    """
    unplaced = out.is_dir() and not any(out.glob(PART_PATTERN))
    if unplaced and (journaled := journaled_rows(out)):
        are, they = ("is", "It is") if journaled == 1 else ("are", "They are")
        raise FilesError(
            f"{out.as_posix()} has no rows to show yet: {counted(journaled, 'row')} {are} in its "
            f"journal. {they} found once the same `ellmental embed` command has gone on to the end."
        )
    return open_dataset(out)


def warn_incomplete(dataset: Dataset, can: str) -> None:
    """Say so where a dataset is incomplete.

    Args:
        dataset: what was opened.
        can: what its rows can, and all others cannot, e.g. ``can be found``.
    """
    if not dataset.incomplete:
        return
    name, found = dataset.folder.as_posix(), counted(dataset.rows, "row")
    warning = f"warning: {name} is incomplete ({dataset.incomplete}): only its {found} {can}"
    if journaled := journaled_rows(dataset.folder):
        are, they = ("is", "it is") if journaled == 1 else ("are", "they are")
        warning += (
            f"; {journaled:,} more {are} in its journal, not lost: {they} there once the same "
            "`ellmental embed` command has gone on to the end"
        )
    click.echo(warning, err=True)


def journaled_rows(folder: Path) -> int:
    """Count the rows in the journal alone, each text once.

    A segment goes on holding rows that parts have got since. The texts of all parts are read, but
    only where the journal holds any vector.

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
