"""What every target is: something that holds a copy of a dataset, and says of which."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import FilesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from .rows import Rows
    from .spelling import Spelling

__all__ = [
    "FORMAT",
    "About",
    "Counts",
    "ExportTarget",
    "Skipped",
    "foreign",
    "not_installed",
    "refuse_clashes",
]

FORMAT = 1
"""Version of what ``About`` is written as; raised when an older reader could misread it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a target holds: written beside the rows, as JSON.

    Attributes:
        dataset: name of the dataset's folder.
        sources: what the dataset was made from, as it was named.
        generator: name of the generator that made the vectors.
        space: their space, as ``Space.to_dict`` gives it.
        columns: each column's name and its type in the target's own words.
        fingerprint: tells the dataset's parts from any others.
        rows: rows the target has.
        skipped: rows of the dataset that have no place in it.
        complete: False from before the first row until after the last.
        run: which export wrote it last, where two could meet.
    """

    dataset: str
    sources: tuple[str, ...]
    generator: str
    space: dict[str, Any]
    columns: dict[str, str]
    fingerprint: str
    rows: int = 0
    skipped: int = 0
    complete: bool = False
    run: str | None = None

    def to_json(self) -> str:
        """As it is written."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, stored: str | bytes, name: str) -> About:
        """As it was written into the target ``name``.

        Raises:
            FilesError: it cannot be read, or a newer version wrote it.
        """
        try:
            found = json.loads(stored)
            if found["format"] > FORMAT:
                raise FilesError(
                    f"{name} was written by a newer version. "
                    "Upgrade: pip install -U ellmental-embeddings-jobs"
                )
            known = {key: found[key] for key in cls.__dataclass_fields__ if key in found}
            return cls(**{**known, "sources": tuple(found["sources"])})
        except (ValueError, KeyError, TypeError) as error:
            raise FilesError(f"{name}: what it holds cannot be read: {error}") from None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that has no place in a target: where it is from, and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What an export came to.

    Attributes:
        rows: rows the target has now.
        changed: those of them that are new or had changed; None where all were written anew.
        deleted: rows that the dataset has no more; None likewise.
        skipped: rows of the dataset that have no place in it.
    """

    rows: int
    changed: int | None = None
    deleted: int | None = None
    skipped: int = 0


class ExportTarget(ABC):
    """Something that takes a copy of a dataset. Entered before anything else is asked of it.

    Args:
        spelling: what the user wrote.

    Attributes:
        kind: the word for it in messages.
        name: what it is called in messages; never a password.
    """

    kind: ClassVar[str]
    takes_halfvec: ClassVar[bool] = False

    def __init__(self, spelling: Spelling) -> None:
        self.spelling = spelling
        self.name = spelling.shown

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is open, where anything is. Raises nothing."""
        return

    @abstractmethod
    def held(self) -> About | None:
        """What it holds, or None where it is not there yet. Makes and changes nothing.

        Raises:
            FilesError: it cannot be reached, or holds what no export wrote.
        """

    @abstractmethod
    def count(self) -> int:
        """The rows it has now; asked only where it holds something.

        Raises:
            FilesError: it cannot be read.
        """

    @abstractmethod
    def columns(self, rows: Rows) -> dict[str, str]:
        """The columns it would have for these rows, each with its type.

        Raises:
            FilesError: they have no place in it, with the reason.
        """

    @abstractmethod
    def write(
        self, rows: Rows, about: About, *, anew: bool, on_skipped: Callable[[Skipped], None]
    ) -> Counts:
        """Make it hold exactly these rows. Killed at any moment, the same call puts it right.

        Args:
            rows: what it is to hold.
            about: what is written beside them, completed by the target.
            anew: whether what it holds is given up first: columns or space are others.
            on_skipped: called for each row that has no place in it.

        Raises:
            FilesError: it cannot be written.
        """

    @abstractmethod
    def hint(self) -> str:
        """One line that shows how to query it."""


def not_installed(target: str, extra: str) -> FilesError:
    """The error about a library that is missing."""
    return FilesError(
        f"{target} needs a package more: pip install 'ellmental-embeddings-jobs[{extra}]'"
    )


def foreign(name: str) -> FilesError:
    """The error about what somebody else wrote: it is never replaced."""
    return FilesError(
        f"{name} is there, and no export wrote it. It is left as it is: choose another name."
    )


def refuse_clashes(names: Iterable[str], taken: tuple[str, ...], target: str) -> None:
    """Refuse columns that differ in case alone, or have names of the target's own.

    Raises:
        FilesError: naming the first such column.
    """
    seen = {name.lower() for name in taken}
    for name in names:
        if name.lower() in seen:
            raise FilesError(
                f"{target} cannot have the column {name!r} beside one of that name, in whatever "
                "case. Embed without it in --keep, or with another name."
            )
        seen.add(name.lower())
