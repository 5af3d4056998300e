"""A dataset that is there: found out about, and read without loading it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ellmental_embeddings import Space

from ..errors import FilesError
from ..values import plain_rows
from .fingerprint import fingerprint
from .manifest import METADATA_KEY, PART_PATTERN, Manifest, check_format
from .part import COLUMNS
from .vectors import batches, damaged, float_vectors, open_part, vector_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Dataset", "open_dataset"]

_BATCH_BYTES = 16 * 1024 * 1024
_NEEDED = (*COLUMNS, "vector")


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset on disk.

    Attributes:
        folder: where it is.
        parts: its parts, in order.
        space: the space of its vectors.
        generator: name of the generator that made them.
        rows: rows in all parts.
        rows_of: rows of each part.
        incomplete: None, or why not all of the input is in it.
    """

    folder: Path
    parts: tuple[Path, ...]
    space: Space
    generator: str
    rows: int
    rows_of: tuple[int, ...]
    incomplete: str | None

    def vectors(self) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
        """Yield (part, first row within it, float32 vectors of shape (rows, dimensions)).

        No Python list is built, and float32 ones are views of Arrow's buffers. A few MB at a
        time.

        Raises:
            FilesError: when a part cannot be read.
        """
        for number, path in enumerate(self.parts):
            first = 0
            with open_part(path) as file:
                width = file.schema_arrow.field("vector").type.list_size
                rows = max(_BATCH_BYTES // (4 * width), 1)
                for batch in batches(file, path, rows, vector_columns(file.schema_arrow)):
                    yield number, first, float_vectors(batch)
                    first += len(batch)

    def rows_at(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Some rows but their vectors; each row group that has any of them is read once.

        Args:
            numbers: which, counted from 0 over all parts, in any order.

        Raises:
            FilesError: when a part cannot be read.
        """
        wanted = sorted(set(numbers), reverse=True)
        found: dict[int, dict[str, Any]] = {}
        first = 0
        for path, rows in zip(self.parts, self.rows_of, strict=True):
            if wanted and wanted[-1] < first + rows:
                with open_part(path) as file:
                    _take_rows(file, path, first, wanted, found)
            first += rows
        return [found[number] for number in numbers]

    def require_unchanged(self, before: str) -> None:
        """Make sure that all that was read since was of one dataset.

        Args:
            before: its ``fingerprint`` before the first reading.

        Raises:
            FilesError: a job has changed it meanwhile.
        """
        try:
            same = fingerprint(self) == before
        except OSError:
            same = False
        if not same:
            raise FilesError(
                f"{self.folder.as_posix()} was changed while it was read. Run this again."
            )


def open_dataset(folder: Path) -> Dataset:
    """Find out what a folder holds, from its manifest and its parts' footers alone.

    Raises:
        FilesError: when it is missing, no dataset, damaged, or of a newer format.
    """
    name = folder.as_posix()
    if not folder.exists():
        raise FilesError(f"{name} does not exist. Make it: ellmental embed SOURCE... -o {name}")
    if not folder.is_dir():
        raise FilesError(f"{name} is a file: name the folder that `ellmental embed` wrote.")
    manifest = Manifest.read(folder)
    parts = tuple(sorted(folder.glob(PART_PATTERN)))
    if manifest is None and not parts:
        raise FilesError(f"{name} is no dataset: `ellmental embed` wrote nothing there.")
    if not parts:
        raise FilesError(f"{name} has no rows to search.")
    described, rows = _described(parts)
    return Dataset(
        folder=folder,
        parts=parts,
        space=Space.from_dict(described["space"]),
        generator=str(described["generator"]),
        rows=sum(rows.values()),
        rows_of=tuple(rows[path.name] for path in parts),
        incomplete=_incomplete(manifest, rows, name),
    )


def _take_rows(
    file: Any, path: Path, first: int, wanted: list[int], found: dict[int, dict[str, Any]]
) -> None:
    """Take the rows of a part from the end of ``wanted``; ``first`` is the part's first row."""
    import pyarrow as pa

    columns = [name for name in file.schema_arrow.names if name not in ("vector", "scale")]
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        here = []
        while wanted and wanted[-1] < first + rows:
            here.append(wanted.pop())
        if here:
            try:
                table = file.read_row_group(group, columns=columns)
            except (OSError, pa.ArrowException) as error:
                raise damaged(path, error) from None
            some = plain_rows(table.take([number - first for number in here]))
            found.update(zip(here, some, strict=True))
        first += rows
    if wanted and wanted[-1] < first:
        raise FilesError(f"{path.as_posix()} has lost rows while it was read.")


def _described(parts: tuple[Path, ...]) -> tuple[dict[str, Any], dict[str, int]]:
    """What the parts say about themselves (they must agree), and the rows of each."""
    first: dict[str, Any] | None = None
    rows = {}
    for path in parts:
        with open_part(path) as file:
            described = _part_metadata(file, path)
            rows[path.name] = file.metadata.num_rows
        if first is None:
            first = described
        elif described["space"] != first["space"]:
            raise FilesError(
                f"{path.as_posix()} holds vectors of another space than {parts[0].name}: "
                "parts of two datasets are mixed in one folder."
            )
    assert first is not None
    return first, rows


def _part_metadata(file: Any, path: Path) -> dict[str, Any]:
    metadata = file.schema_arrow.metadata or {}
    try:
        described: dict[str, Any] = json.loads(metadata[METADATA_KEY])
        check_format(described["format"], path.as_posix())
        described["generator"], described["space"]["dimensions"]
    except (KeyError, ValueError, TypeError):
        raise FilesError(
            f"{path.as_posix()} says nothing about its embedding space: "
            "`ellmental embed` did not write it."
        ) from None
    missing = [name for name in _NEEDED if name not in file.schema_arrow.names]
    if missing:
        raise FilesError(f"{path.as_posix()} lacks the columns {', '.join(missing)}.")
    return described


def _incomplete(manifest: Manifest | None, rows: dict[str, int], name: str) -> str | None:
    if manifest is None:
        return "it has no manifest"
    if not manifest.complete:
        return manifest.reason or "the job was killed, or still runs"
    for part in manifest.parts:
        if rows.get(part.name) != part.rows:
            raise FilesError(
                f"{name} is damaged: {part.name} should have {part.rows:,} rows and "
                f"{'is missing' if part.name not in rows else f'has {rows[part.name]:,}'}."
            )
    return None
