"""From what the user named to the files to read, each with its format."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..document import Failure
from ..errors import FilesError
from ..naming import counted
from .base import Columns, Source, Unusable
from .formats import ENDINGS, FORMATS, IN_FOLDERS, format_of, kind_of, packing_of
from .unusable import UnusableSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["STDIN", "Opened", "Reading", "open_sources"]

STDIN = "-"

_SHOWN = 10
_FOR_STDIN = ("txt", "md", "csv", "tsv", "jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How sources are read.

    Attributes:
        columns: which columns.
        per_file: a text file is one document, and not one a line.
        query: what is asked of databases.
        format: the format of all files, whatever their endings.
        on_bad: whether a row or a file that cannot be read is noted and passed over, or ends
            everything before anything is paid for.
        without: folders of the output, resolved, whose files are no input.
    """

    columns: Columns = field(default_factory=Columns)
    per_file: bool = False
    query: str | None = None
    format: str | None = None
    on_bad: Literal["skip", "stop"] = "skip"
    without: tuple[Path, ...] = ()


class Opened(list[Source]):
    """The files to read, and what was passed over on the way to them.

    Attributes:
        reading: how they are read.
        notes: one line each, for people.
        problems: why files, or all of it, cannot be used.
        own: files of the output that patterns and folders have led to, and that were passed over.
    """

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        self.reading = reading
        self.notes: list[str] = []
        self.problems: list[str] = []
        self.own = 0
        self._seen: set[Path] = set()

    def kept_fields(self) -> list[Any]:
        """The Arrow fields of the kept columns, over all sources; null where one has none.

        Raises:
            FilesError: when two sources have values that no type holds.
        """
        import pyarrow as pa

        columns = self.reading.columns
        if not columns.keep:
            return []
        schema = pa.schema([])
        for source in self:
            try:
                found = pa.schema(source.fields())
                schema = pa.unify_schemas([schema, found], promote_options="permissive")
            except OSError as error:
                raise FilesError(f"{source.name} cannot be read: {error}") from None
            except pa.ArrowException as error:
                raise FilesError(
                    f"{source.name}: a column to keep has another type here than in the "
                    f"sources before it: {error}"
                ) from None
        fields = [_nullable(schema.field(name)) for name in columns.keep if name in schema.names]
        _require_storable(fields)
        columns.types.update({item.name: item.type for item in fields})
        return fields

    def add(self, path: Path, *, found: bool) -> None:
        """Open and check a file; what is wrong with it is noted.

        Args:
            path: the file.
            found: True where the user did not name it: an empty one is passed over then.
        """
        name = _posix(path)
        real = path.resolve()
        if any(real.is_relative_to(folder) for folder in self.reading.without):
            if not found:
                self.problems.append(f"{name} is a file of the output: it cannot be its input.")
            self.own += 1
            return
        if real in self._seen:
            self.notes.append(f"{name} was named twice: read once")
            return
        try:
            if found and path.stat().st_size == 0:
                self.notes.append(f"{name} is empty: passed over")
                return
            source = self._source(path, name)
            source.check()
        except Unusable as error:
            if self.reading.on_bad == "stop":
                self.problems.append(error.message)
                return
            columns = self.reading.columns
            source = UnusableSource(path, name, columns, reason=error.message)
        except FilesError as error:
            self.problems.append(error.message)
            return
        except OSError as error:
            self.problems.append(f"{name} cannot be read: {error.strerror or error}")
            return
        self._seen.add(real)
        self.append(source)

    def add_stdin(self) -> None:
        """Read standard input, too: it cannot be checked before."""
        name = self.reading.format or "txt"
        if name not in _FOR_STDIN:
            known = ", ".join(_FOR_STDIN)
            raise FilesError(f"{name} cannot be read from standard input. Known there: {known}.")
        self.append(self._make(name, Path(STDIN), "stdin", once=True))

    def _source(self, path: Path, name: str) -> Source:
        if not path.exists():
            raise FilesError(f"{name} does not exist.")
        if not path.is_file():  # a pipe could be read once only, and is checked before
            raise FilesError(
                f"{name} is no regular file. A pipe is read as -: ... | ellmental embed -"
            )
        kind, suffix = format_of(path, self.reading.format)
        if kind is None:
            raise FilesError(
                f"{name}: files ending in {suffix or 'nothing'} are not read. Known: "
                f"{', '.join(ENDINGS)}, and folders of .txt and .md. --format says what it is."
            )
        if packing_of(path) and not FORMATS[kind].may_be_packed:
            raise FilesError(f"{name}: a {kind} file cannot be read packed. Unpack it first.")
        return self._make(kind, path, name)

    def _make(self, kind: str, path: Path, name: str, *, once: bool = False) -> Source:
        reading = self.reading
        return kind_of(kind, per_file=reading.per_file)(
            path,
            name,
            reading.columns,
            compression=None if once else packing_of(path),
            once=once,
            stops=reading.on_bad == "stop",
            query=reading.query,
        )


def open_sources(given: Sequence[str], reading: Reading) -> Opened:
    """Find all files, and check every one of them before anything is paid for.

    Folders give their text and Markdown files, at any depth, in sorted order; patterns
    (``*``, ``?``, ``[...]``, ``**``) the files they match. Hidden files and folders are passed
    over. A file that comes twice is read once.

    Raises:
        FilesError: naming every file that cannot be used at once; where rows that cannot be
            read are to end everything, naming the first of each file.
    """
    opened = Opened(reading)
    for name in given:
        try:
            _open_one(name, opened)
        except FilesError as error:
            opened.problems.append(error.message)
    if opened.own:
        opened.notes.append(f"{counted(opened.own, 'file')} of the output itself: passed over")
    unusable = [source.reason for source in opened if isinstance(source, UnusableSource)]
    if len(unusable) == len(opened):
        opened.problems.extend(unusable)
    if reading.on_bad == "stop":
        opened.problems.extend(_bad_rows(opened))
    if opened.problems:
        more = len(opened.problems) - _SHOWN
        shown = opened.problems[:_SHOWN] + ([f"... and {more} more"] if more > 0 else [])
        raise FilesError("\n".join([*shown, "Nothing was embedded."]))
    return opened


def _open_one(name: str, opened: Opened) -> None:
    path = Path(name)
    if name == STDIN:
        opened.add_stdin()
    elif path.is_dir():
        _open_folder(path, opened)
    elif glob.has_magic(name) and not path.exists():
        _open_pattern(name, opened)
    else:
        opened.add(path, found=False)


def _open_pattern(pattern: str, opened: Opened) -> None:
    found = 0
    # Path.glob takes no absolute pattern.
    for path in map(Path, sorted(glob.glob(pattern, recursive=True))):  # noqa: PTH207
        if not path.is_file():
            continue
        if format_of(path, opened.reading.format)[0] is None:
            opened.notes.append(f"{_posix(path)}: its format is not known, passed over")
            continue
        found += 1
        opened.add(path, found=True)
    if not found:
        raise FilesError(f"{pattern}: no file that can be read matches this pattern.")


def _open_folder(folder: Path, opened: Opened) -> None:
    found = 0
    others: dict[str, int] = {}
    for path in _walk(folder, opened.problems):
        kind, suffix = format_of(path, None)
        if kind in IN_FOLDERS:
            found += 1
            opened.add(path, found=True)
        elif kind is not None:
            others[suffix] = others.get(suffix, 0) + 1
    name, passed_over = _posix(folder), ""
    if others:
        skipped = ", ".join(f"{others[suffix]} {suffix}" for suffix in sorted(others))
        how = f"name them to embed them, as in '{name}/**/*{min(others)}'"
        passed_over = f"; passed over: {skipped} ({how})"
    if not found:
        raise FilesError(f"{name}: no .txt or .md file in this folder{passed_over or '.'}")
    if others:
        opened.notes.append(f"{name}: of a folder, .txt and .md are read{passed_over}")


def _walk(folder: Path, problems: list[str]) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        problems.append(f"{error.filename} cannot be read: {error.strerror}")

    for base, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(base, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _bad_rows(sources: Opened) -> Iterator[str]:
    """Why the first bad row of each source cannot be read; standard input is not asked."""
    for source in sources:
        if source.once:
            continue
        try:
            for item in source.items():
                if isinstance(item, Failure):
                    yield f"{source.name}: {source.unit} {item.line}: {item.reason}"
                    break
        except OSError as error:
            yield f"{source.name} cannot be read: {error.strerror or error}"
        except FilesError as error:
            yield error.message


def _nullable(item: Any) -> Any:
    """A field that can be null; one without any value is of strings."""
    import pyarrow as pa

    kind = pa.string() if pa.types.is_null(item.type) else item.type
    return pa.field(item.name, kind)


def _require_storable(fields: list[Any]) -> None:
    """Refuse, before anything is paid for, what no part could hold."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    for item in fields:
        try:
            ParquetWriter(pa.BufferOutputStream(), pa.schema([item])).close()
        except pa.ArrowException as error:
            raise FilesError(f"--keep {item.name}: Parquet cannot hold it: {error}.") from None


def _posix(path: Path) -> str:
    """The path with forward slashes, in valid Unicode whatever bytes its name is made of."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")
