"""``_manifest.json``: what a dataset holds, and whether it is all there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import FilesError
from .files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from .storage import Store

__all__ = [
    "FAILED",
    "FORMAT",
    "JOURNAL",
    "MANIFEST",
    "METADATA_KEY",
    "PART_PATTERN",
    "SEARCH",
    "Manifest",
    "PartEntry",
    "check_format",
    "is_ours",
    "part_name",
]

FORMAT = 2
"""Version of the layout; raised when an older reader could misread a newer dataset: 2 has
vectors of float16 or int8. What an older reader can read says 1."""

MANIFEST = "_manifest.json"
FAILED = "_failed.jsonl"
SEARCH = "_search.f32"
JOURNAL = "_journal"
"""Folder of what is finished and in no part yet; gone once the dataset is complete."""
PART_PATTERN = "part-*.parquet"
METADATA_KEY = b"ellmental"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartEntry:
    """One part: its file's name and its rows."""

    name: str
    rows: int


@dataclass(slots=True, kw_only=True)
class Manifest:
    """What is known of a dataset. Written when it is begun, and again when it ends.

    Attributes:
        complete: True once every document of the input is either a row or a failed one.
        reason: why it is not complete, in words.
        generator: name of the generator that made the vectors.
        space: the space of the vectors, as ``Space.to_dict`` gives it; None before the first.
        rows: rows in all parts.
        failed: lines of ``_failed.jsonl``.
        documents: documents that were read.
        blank: blank lines that were passed over.
        parts: the parts, in order.
        versions: dist -> version that wrote it.
        settings: what decided about the rows, without secrets.
        replaces: what the dataset is written for where it is to take the place of another one:
            ``update`` (the input has changed), ``overwrite``, or None.
    """

    complete: bool = False
    reason: str | None = None
    generator: str
    space: dict[str, Any] | None = None
    rows: int = 0
    failed: int = 0
    documents: int = 0
    blank: int = 0
    parts: list[PartEntry] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    replaces: str | None = None

    @property
    def store(self) -> Store:
        """How the vectors are stored."""
        store: Store = self.settings.get("store", "float32")
        return store

    @property
    def format(self) -> int:
        """The oldest version of the layout that describes it."""
        return 1 if self.store == "float32" else FORMAT

    def write(self, folder: Path) -> None:
        """Write it into the dataset's folder, atomically.

        Raises:
            OSError: when it cannot be written.
        """
        text = json.dumps({"format": self.format, **asdict(self)}, indent=2, ensure_ascii=False)
        write_whole(folder / MANIFEST, (text + "\n").encode())

    def part_metadata(self) -> dict[bytes, bytes]:
        """What every part says about itself, so that a part alone can still be used."""
        described = {
            "format": self.format,
            "generator": self.generator,
            "space": self.space,
            "versions": self.versions,
            "settings": self.settings,
        }
        return {METADATA_KEY: json.dumps(described, ensure_ascii=False).encode()}

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a folder, or None where there is none.

        Raises:
            FilesError: when it cannot be read, or a newer version wrote it.
        """
        path = folder / MANIFEST
        try:
            stored = json.loads(path.read_bytes())
            check_format(stored["format"], folder.as_posix())
            parts = [PartEntry(name=part["name"], rows=part["rows"]) for part in stored["parts"]]
            known = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
            return cls(**{**known, "parts": parts})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FilesError(f"{path.as_posix()} cannot be read: {error}") from None


def check_format(version: object, name: str) -> None:
    """Refuse what a newer version wrote.

    Raises:
        FilesError: saying what to upgrade.
    """
    if not isinstance(version, int) or version > FORMAT:
        raise FilesError(
            f"{name} is in format {version}, and only {FORMAT} is known here. "
            "Upgrade: pip install -U ellmental-embeddings-jobs"
        )


def part_name(number: int) -> str:
    """Name of a part's file, counted from 0."""
    return f"part-{number:05d}.parquet"


def is_ours(folder: Path) -> bool:
    """True for a dataset, or an empty folder: nothing in it that somebody else put there."""
    return all(
        (path.is_dir() and path.name == JOURNAL)
        or (
            path.is_file()
            and (
                path.name in {MANIFEST, FAILED, SEARCH}
                or path.match(PART_PATTERN)
                or (path.name.startswith(".") and path.name.endswith(".tmp"))
            )
        )
        for path in folder.iterdir()
    )
