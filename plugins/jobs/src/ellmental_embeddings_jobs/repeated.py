"""Rows of a dataset that ``(id, piece)`` does not tell apart, found in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .dataset.vectors import batches, open_part
from .distinct import Distinct
from .errors import FilesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Repeated", "find_repeated"]

_ROWS = 65_536
_LOOKED_AT = 1000
"""Hashes that stand twice and are looked at: a few of them are named."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """What stands more than once.

    Attributes:
        rows: rows whose id a row before them has.
        examples: a few of them: ``'A1': a.csv:2 and a.csv:3``.
    """

    rows: int
    examples: list[str]


def find_repeated(parts: Sequence[Path], most: int) -> Repeated:
    """Look for rows of the same id and piece. Takes 8 bytes a row, in a temporary file.

    Args:
        parts: of the dataset.
        most: examples that are wanted.

    Raises:
        FilesError: a part cannot be read, or the temporary folder has no room.
    """
    try:
        with Distinct() as distinct:
            rows = 0
            for key, _ in _keys(parts):
                distinct.add(key)
                rows += 1
            repeated = distinct.repeated(_LOOKED_AT)
            rows -= distinct.count()
    except OSError as error:
        raise FilesError(f"the temporary folder: {error.strerror or error}") from None
    if not repeated:
        return Repeated(0, [])
    places: dict[str, str] = {}
    found: list[str] = []
    for key, place in _keys(parts):
        if Distinct.hash_of(key) not in repeated:
            continue
        first = places.setdefault(key, place)
        if first is not place:
            found.append(f"{key.partition(' ')[2]!r}: {first} and {place}")
            if len(found) == most:
                break
    return Repeated(rows if found else 0, found)


def _keys(parts: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Each row's key, and the place it is from."""
    columns = ["id", "piece", "source", "line"]
    for path in parts:
        with open_part(path) as file:
            for batch in batches(file, path, _ROWS, columns):
                values = [batch.column(name).to_pylist() for name in columns]
                for one, piece, source, line in zip(*values, strict=True):
                    yield f"{piece} {one}", f"{source}:{line}"
