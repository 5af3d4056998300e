"""``ellmental map``, behind its options: rows of a dataset, laid out, drawn, opened."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from .dataset.files import write_whole
from .dataset.fingerprint import fingerprint
from .errors import FilesError
from .journaled import open_to_look_at, warn_incomplete
from .layout import laid_out
from .naming import counted
from .picture import MARK, Points, drawn
from .search_file import UnitVectors
from .values import plain_rows
from .wanted import rows_where

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .dataset import Dataset
    from .layout import Layout

__all__ = ["Asked", "run_map"]

_SEED = 0
_ROWS = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asked for.

    Attributes:
        out: the dataset.
        output: the HTML file.
        colour: column that colours the points, or None.
        where: condition on the columns, or None.
        limit: most rows that are drawn.
        layout: how vectors become places.
        opens: whether a browser is opened.
    """

    out: Path
    output: Path
    colour: str | None
    where: str | None
    limit: int
    layout: Layout
    opens: bool


def run_map(asked: Asked) -> None:
    """Draw a dataset.

    Raises:
        FilesError: the dataset cannot be read, or the file not be written.
        click.UsageError: a column is missing.
        ConfigurationError: a package is not installed.
    """
    _refuse_strangers(asked.output)
    dataset = open_to_look_at(asked.out)
    before = fingerprint(dataset)
    warn_incomplete(dataset, "can be drawn")
    chosen = _chosen(dataset, asked)
    rows = _columns(dataset, chosen, asked.colour)
    vectors = _vectors(dataset, chosen)
    dataset.require_unchanged(before)
    places = laid_out(vectors, asked.layout)
    points = Points(
        places,
        [row["text"] for row in rows],
        [f"{row['source']}:{row['line']}" for row in rows],
        asked.colour,
        [row[asked.colour] for row in rows] if asked.colour else [],
    )
    shown = counted(len(rows), "row")
    title = f"{asked.out.name}: {shown}, {dataset.space.model or 'model not named'}"
    page = drawn(points, title)
    try:
        write_whole(asked.output, page.encode("utf-8", "replace"))
    except OSError as error:
        problem = error.strerror or error
        raise FilesError(f"{asked.output.as_posix()} cannot be written: {problem}") from None
    of = f" of {dataset.rows:,}" if len(rows) < dataset.rows else ""
    click.echo(f"{shown}{of}: {asked.output.as_posix()}", err=True)
    if asked.opens and not webbrowser.open(asked.output.resolve().as_uri()):
        click.echo("no browser was found here: open the file with one", err=True)


def _refuse_strangers(output: Path) -> None:
    """A file that this command did not write is not overwritten."""
    try:
        with output.open("rb") as stream:
            if stream.read(len(MARK)) == MARK.encode():
                return
    except FileNotFoundError:
        return
    except OSError as error:
        raise FilesError(f"{output.as_posix()} cannot be written: {error.strerror}") from None
    raise FilesError(
        f"{output.as_posix()} is there, and `ellmental map` did not write it: name another file "
        "with -o, or remove it."
    )


def _chosen(dataset: Dataset, asked: Asked) -> NDArray[np.int64]:
    """Numbers of the rows to draw: all that fulfil the condition, or so many by chance."""
    if asked.where is None:
        rows = np.arange(dataset.rows)
    else:
        rows = np.flatnonzero(rows_where(dataset, asked.where))
    if not len(rows):
        raise click.UsageError(f"no row fulfils --where, of {dataset.rows:,}.")
    if len(rows) <= asked.limit:
        return rows
    chance = np.random.default_rng(_SEED)
    return np.sort(chance.choice(rows, asked.limit, replace=False))


def _vectors(dataset: Dataset, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    kept = []
    for first, vectors in UnitVectors(dataset, keeps=False).blocks():
        start, stop = np.searchsorted(chosen, [first, first + len(vectors)])
        kept.append(vectors[chosen[start:stop] - first])
    return np.concatenate(kept)


def _columns(
    dataset: Dataset, chosen: NDArray[np.int64], colour: str | None
) -> list[dict[str, Any]]:
    """Text, place and colour of the chosen rows."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    names = ["text", "source", "line", *([colour] if colour else [])]
    rows: list[dict[str, Any]] = []
    first = 0
    for path in dataset.parts:
        try:
            with ParquetFile(path, pre_buffer=False) as file:
                known = [one for one in file.schema_arrow.names if one not in ("vector", "scale")]
                if colour is not None and colour not in known:
                    raise click.UsageError(
                        f"--color: there is no column {colour!r}. Columns: {', '.join(known)}."
                    )
                for batch in file.iter_batches(_ROWS, columns=list(dict.fromkeys(names))):
                    start, stop = np.searchsorted(chosen, [first, first + len(batch)])
                    some = batch.take(pa.array(chosen[start:stop] - first))
                    rows += plain_rows(some)
                    first += len(batch)
        except (OSError, pa.ArrowException) as error:
            raise FilesError(f"{path.as_posix()} cannot be read: {error}") from None
    return rows
