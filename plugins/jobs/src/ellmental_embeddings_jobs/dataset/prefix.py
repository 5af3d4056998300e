"""What a dataset has already, compared row by row with what the input has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..values import plain_values
from .manifest import part_name
from .part import COLUMNS, values_of
from .vectors import batches, open_part

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ..document import Piece

__all__ = ["Prefix", "whole_parts"]

_ROWS = 1024


class Prefix:
    """The rows of a dataset's parts, in order, to be compared with the input's.

    Everything but the vectors is compared: they follow from the text and the space.

    Args:
        folder: the dataset's.
        kept: names of the columns kept from the input.

    Attributes:
        parts: the parts, without a gap.
        matched: rows that the input had so far.
    """

    def __init__(self, folder: Path, kept: tuple[str, ...]) -> None:
        self.parts = whole_parts(folder)
        self.matched = 0
        self._kept = kept
        self._rows = self._all()
        self._next = next(self._rows, None)

    @property
    def exhausted(self) -> bool:
        """True where the input had every row."""
        return self._next is None

    @property
    def place(self) -> tuple[int, int]:
        """Where the input leaves it: the part, and how many of the part's rows the input has."""
        if self._next is not None:
            return self._next[0], self._next[1]
        return len(self.parts), 0

    def matches(self, piece: Piece) -> bool:
        """Whether the next row is this piece's; if so, the row after it is the next."""
        if self._next is None:
            return False
        _, _, values, kept = self._next
        if values != values_of(piece) or not all(
            _same(stored, piece.document.kept.get(name))
            for name, stored in zip(self._kept, kept, strict=True)
        ):
            return False
        self.matched += 1
        self._next = next(self._rows, None)
        return True

    def close(self) -> None:
        """Close the part that is being read."""
        self._rows.close()

    def _all(self) -> Generator[tuple[int, int, tuple[object, ...], tuple[object, ...]]]:
        for number, path in enumerate(self.parts):
            row = 0
            with open_part(path) as file:
                for batch in batches(file, path, _ROWS, [*COLUMNS, *self._kept]):
                    found = dict(zip(batch.schema.names, batch.columns, strict=True))
                    columns = [found[name].to_pylist() for name in COLUMNS]
                    kept = [plain_values(found[name]) for name in self._kept]
                    others = zip(*kept, strict=True) if kept else iter([()] * len(batch))
                    for values, other in zip(zip(*columns, strict=True), others, strict=True):
                        yield number, row, values, other
                        row += 1


def whole_parts(folder: Path) -> list[Path]:
    """The parts of a dataset from the first on, up to the first that is missing."""
    parts: list[Path] = []
    while (path := folder / part_name(len(parts))).exists():
        parts.append(path)
    return parts


def _same(stored: object, given: object) -> bool:
    if stored == given or (stored != stored and given != given):  # noqa: PLR0124 - NaN
        return True
    if isinstance(stored, list | tuple) and isinstance(given, list | tuple):
        return len(stored) == len(given) and all(map(_same, stored, given))
    if isinstance(stored, dict) and isinstance(given, dict):
        return stored.keys() == given.keys() and all(
            _same(one, given[name]) for name, one in stored.items()
        )
    # The column's type may hold less than what was given: a float32 of 0.1, a day of a time.
    return isinstance(stored, float) and isinstance(given, float) and _close(stored, given)


def _close(stored: float, given: float) -> bool:
    return abs(stored - given) <= 1e-6 * max(abs(stored), abs(given))
