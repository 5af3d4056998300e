"""Which format a file is in: by its ending, by its first bytes, or as the user says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .arrow import ArrowSource
from .comma_separated import CsvSource, TsvSource
from .duckdb import DuckdbSource
from .json_lines import JsonLinesSource
from .lines import LinesSource
from .parquet import ParquetSource
from .sqlite import SqliteSource
from .streams import PACKED
from .whole import FileSource, MarkdownSource

if TYPE_CHECKING:
    from pathlib import Path

    from .base import Source
    from .streams import Compression

__all__ = ["ENDINGS", "FORMATS", "IN_FOLDERS", "format_of", "kind_of", "packing_of"]

FORMATS: dict[str, type[Source]] = {
    "txt": LinesSource,
    "md": MarkdownSource,
    "csv": CsvSource,
    "tsv": TsvSource,
    "jsonl": JsonLinesSource,
    "parquet": ParquetSource,
    "arrow": ArrowSource,
    "sqlite": SqliteSource,
    "duckdb": DuckdbSource,
}
"""A format's name, as ``--format`` takes it -> how it is read."""

ENDINGS: dict[str, str] = {
    ".txt": "txt",
    ".md": "md",
    ".markdown": "md",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
    ".duckdb": "duckdb",
}
"""A file's ending -> its format."""

IN_FOLDERS = ("txt", "md")
"""What is read of a folder."""

_DUCKDB = b"DUCK"
_START = 12


def format_of(path: Path, given: str | None) -> tuple[str | None, str]:
    """A file's format, or None where it is not known; and its ending without the packing's.

    Args:
        path: the file; a database is told by its first bytes, since .db may be either's.
        given: what the user says that it is.
    """
    suffix = path.suffix.lower()
    if suffix in PACKED:
        suffix = path.with_suffix("").suffix.lower()
    name = given or ENDINGS.get(suffix)
    if name == "sqlite" and given is None and path.is_file():
        with path.open("rb") as file:
            if file.read(_START)[8:] == _DUCKDB:
                name = "duckdb"
    return name, suffix


def kind_of(name: str, *, per_file: bool) -> type[Source]:
    """How a format is read."""
    return FileSource if per_file and name == "txt" else FORMATS[name]


def packing_of(path: Path) -> Compression | None:
    """How a file is packed, by its last ending."""
    return PACKED.get(path.suffix.lower())
