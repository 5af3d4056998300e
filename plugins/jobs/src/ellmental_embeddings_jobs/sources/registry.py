"""From what the user named to the files to read, each with its format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FilesError
from .comma_separated import CsvSource
from .json_lines import JsonLinesSource
from .lines import LinesSource, StdinSource
from .markdown import MarkdownSource
from .parquet import ParquetSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .base import Columns, Source

__all__ = ["FORMATS", "STDIN", "Opened", "open_sources"]

STDIN = "-"

FORMATS: dict[str, type[Source]] = {
    ".txt": LinesSource,
    ".md": MarkdownSource,
    ".csv": CsvSource,
    ".jsonl": JsonLinesSource,
    ".parquet": ParquetSource,
}
"""A file's ending -> how it is read."""

_IN_FOLDERS = (".txt", ".md")
_SHOWN = 10


class Opened(list["Source"]):
    """The files to read, and what was passed over on the way to them.

    Attributes:
        notes: one line each, for people.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []


def open_sources(given: list[str], columns: Columns) -> Opened:
    """Find all files, and check every one of them before anything is paid for.

    Folders give their .txt and .md files, at any depth, in sorted order; hidden files and
    folders are passed over. A file that comes twice is read once.

    Raises:
        FilesError: naming every file that cannot be used at once.
    """
    opened = Opened()
    problems: list[str] = []
    seen: set[Path] = set()
    for name in given:
        try:
            _open_one(name, columns, opened, seen, problems)
        except FilesError as error:
            problems.append(error.message)
    if problems:
        more = len(problems) - _SHOWN
        shown = problems[:_SHOWN] + ([f"... and {more} more"] if more > 0 else [])
        raise FilesError("\n".join([*shown, "Nothing was embedded."]))
    return opened


def _open_one(
    name: str, columns: Columns, opened: Opened, seen: set[Path], problems: list[str]
) -> None:
    path = Path(name)
    if name == STDIN:
        opened.append(StdinSource(path, "stdin", columns))
    elif path.is_dir():
        _open_folder(path, columns, opened, seen, problems)
    else:
        source = _source(path, columns)
        _check(source)
        _add(source, opened, seen)


def _open_folder(
    folder: Path, columns: Columns, opened: Opened, seen: set[Path], problems: list[str]
) -> None:
    found = 0
    others = dict.fromkeys(sorted(set(FORMATS) - set(_IN_FOLDERS)), 0)
    for path in _walk(folder, problems):
        suffix = path.suffix.lower()
        if suffix in others:
            others[suffix] += 1
        if suffix not in _IN_FOLDERS:
            continue
        found += 1
        if path.stat().st_size == 0:
            opened.notes.append(f"{_posix(path)} is empty: passed over")
            continue
        source = _source(path, columns)
        try:
            _check(source)
        except FilesError as error:
            problems.append(error.message)
        _add(source, opened, seen)
    skipped = ", ".join(f"{count} {suffix}" for suffix, count in others.items() if count)
    if skipped:
        opened.notes.append(
            f"{_posix(folder)}: of a folder, .txt and .md are read; "
            f"passed over: {skipped} (name them to embed them)"
        )
    if not found:
        raise FilesError(f"{_posix(folder)}: no .txt or .md file in this folder.")


def _walk(folder: Path, problems: list[str]) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        problems.append(f"{error.filename} cannot be read: {error.strerror}")

    for base, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(base, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _source(path: Path, columns: Columns) -> Source:
    kind = FORMATS.get(path.suffix.lower())
    name = _posix(path)
    if not path.exists():
        raise FilesError(f"{name} does not exist.")
    if kind is None:
        raise FilesError(
            f"{name}: files ending in {path.suffix or 'nothing'} are not read. "
            f"Known: {', '.join(FORMATS)}, and folders of .txt and .md."
        )
    if not path.is_file():  # a pipe could be read once only, and is checked before it is read
        raise FilesError(f"{name} is no regular file. A pipe is read as -: ... | ellmental embed -")
    return kind(path, name, columns)


def _check(source: Source) -> None:
    try:
        source.check()
    except OSError as error:
        raise FilesError(f"{source.name} cannot be read: {error.strerror or error}") from None


def _add(source: Source, opened: Opened, seen: set[Path]) -> None:
    real = source.path.resolve()
    if real in seen:
        opened.notes.append(f"{source.name} was named twice: read once")
        return
    seen.add(real)
    opened.append(source)


def _posix(path: Path) -> str:
    """The path with forward slashes, in valid Unicode whatever bytes its name is made of."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")
