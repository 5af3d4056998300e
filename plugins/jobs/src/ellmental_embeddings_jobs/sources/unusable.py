"""A file that was to be read and cannot be: one failure, so that it is counted and listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .base import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..document import Item

__all__ = ["UnusableSource"]


@dataclass(frozen=True, slots=True)
class UnusableSource(Source):
    """Stands where a file would be read.

    Attributes:
        reason: why it cannot be.
    """

    has_columns: ClassVar[bool] = True

    reason: str = ""

    def check(self) -> None:
        """What there is to know is known."""

    def items(self) -> Iterator[Item]:
        """The file as one failure."""
        yield self.failure(1, f"the whole file: {self.reason}", self.size or 0)
