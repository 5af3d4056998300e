"""A fault that authors make, as it is planted in a sample generator."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Planted"]


@dataclass(frozen=True)
class Planted:
    """One fault.

    Attributes:
        name: what is wrong, in words.
        sample: which sample it is planted in.
        file: the sample's file.
        was, becomes: the change; ``was`` must be there.
        caught_by: the check that is for it; others may fail as well.
        also: further checks that must find it.
    """

    name: str
    sample: str
    file: str
    was: str
    becomes: str
    caught_by: str
    also: tuple[str, ...] = ()

    @property
    def checks(self) -> tuple[str, ...]:
        """All checks that must find it."""
        return (self.caught_by, *self.also)
