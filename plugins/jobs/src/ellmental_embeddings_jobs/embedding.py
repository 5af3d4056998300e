"""``ellmental embed``, behind its options: checks first, then the job, then what it says."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import click

from ellmental_embeddings import load_generator

from .dataset import DatasetWriter, Manifest
from .dataset.writer import check_output
from .interrupts import Interrupts
from .job import Job
from .naming import counted
from .progress import Progress
from .sources import FORMATS, Columns, open_sources
from .splitting import Splitter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ellmental_embeddings import EmbeddingGenerator

    from .sources.registry import Opened

__all__ = ["Order", "limit_of", "open_input", "run_embed"]

_DISTS = ("ellmental-embeddings", "ellmental-embeddings-jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the user asked for.

    Attributes:
        sources: files, folders, or ``-``.
        output: the dataset's folder.
        column: the texts' column, or None for ``text``.
        id_column: the ids' column, or None.
        max_tokens: most tokens of a piece, or None for what the model takes.
        generator: its name, or None for what the settings say.
        overwrite: replace a dataset that is there.
        as_json: print the summary as JSON on stdout.
    """

    sources: tuple[str, ...]
    output: Path
    column: str | None
    id_column: str | None
    max_tokens: int | None
    generator: str | None
    overwrite: bool
    as_json: bool


def run_embed(order: Order) -> bool:
    """Do it, and say what was done.

    Returns:
        True where every row of the input has a vector.

    Raises:
        FilesError: input or output cannot be used.
        EmbeddingError: there is no generator, or its service cannot be used.
        KeyboardInterrupt: Ctrl-C.
    """
    check_output(order.output, overwrite=order.overwrite)
    sources = open_input(order.sources, order.column, order.id_column)
    with load_generator(order.generator) as generator, Interrupts() as interrupts:
        limit = limit_of(generator, order.max_tokens)
        _say_what_with(generator, limit, sources)
        progress = Progress(_bytes(sources), sys.stderr)
        job = Job(
            sources=sources,
            generator=generator,
            splitter=Splitter(limit, generator.most_tokens, generator.count_tokens),
            writer=DatasetWriter(
                order.output, _manifest(generator, order, limit), overwrite=order.overwrite
            ),
            progress=progress,
            interrupts=interrupts,
        )
        job.run()
    _report(job, generator, order)
    return job.tally.failed == 0


def open_input(given: Sequence[str], column: str | None, id_column: str | None) -> Opened:
    """Find and check all sources.

    Raises:
        FilesError: naming every file that cannot be used.
        click.UsageError: a column is named, and no source has any.
    """
    sources = open_sources(list(given), Columns(column or "text", id_column))
    if (column or id_column) and not any(source.has_columns for source in sources):
        raise click.UsageError(
            f"--column and --id are for {_column_formats()}: no source has columns."
        )
    return sources


def _column_formats() -> str:
    return ", ".join(suffix for suffix, kind in FORMATS.items() if kind.has_columns)


def limit_of(generator: EmbeddingGenerator, asked: int | None) -> int | None:
    """Tokens of a piece: what was asked for, where the model takes that much.

    Raises:
        click.UsageError: the model takes no such pieces.
    """
    takes = generator.limits.tokens_per_text
    if asked is not None and takes is not None and asked > takes:
        raise click.UsageError(f"--max-tokens {asked}: {generator.name} takes {takes} at most.")
    least = generator.count_tokens("a")
    if asked is not None and least is not None and asked < least:
        raise click.UsageError(
            f"--max-tokens {asked}: with {generator.name} one letter is {least} tokens already."
        )
    return asked or takes


def _say_what_with(generator: EmbeddingGenerator, limit: int | None, sources: Opened) -> None:
    fits = "texts are not split (the limit is not known; see --max-tokens)"
    if limit is not None:
        fits = f"pieces of at most {limit:,} tokens"
    click.echo(f"generator: {generator.summary}, {fits}", err=True)
    for note in sources.notes:
        click.echo(f"note: {note}", err=True)


def _bytes(sources: Opened) -> int | None:
    sizes = [source.size for source in sources]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _manifest(generator: EmbeddingGenerator, order: Order, limit: int | None) -> Manifest:
    return Manifest(
        generator=generator.name,
        versions={dist: version(dist) for dist in (*_DISTS, generator.dist)},
        settings={
            "max_tokens": limit,
            "column": order.column,
            "id": order.id_column,
            "sources": list(order.sources),
        },
    )


def _report(job: Job, generator: EmbeddingGenerator, order: Order) -> None:
    summary = _summary(job, generator, order)
    if order.as_json:
        click.echo(json.dumps(summary))
    tally = job.tally
    split = f" ({tally.split:,} split)" if tally.split else ""
    blank = f", {counted(tally.blank, 'blank line')} passed over" if tally.blank else ""
    failed = ""
    if tally.failed:
        failed = f", {tally.failed:,} failed (all in {order.output.as_posix()}/_failed.jsonl)"
    rows, documents = counted(tally.rows, "row"), counted(tally.documents, "document")
    click.echo(
        f"{rows} from {documents}{split}{failed}{blank}, "
        f"{job.progress.seconds:.1f} s: {order.output.as_posix()}",
        err=True,
    )


def _summary(job: Job, generator: EmbeddingGenerator, order: Order) -> dict[str, Any]:
    manifest = job.writer.manifest
    return {
        "out": order.output.as_posix(),
        "generator": generator.name,
        "space": manifest.space,
        "documents": job.tally.documents,
        "split": job.tally.split,
        "rows": job.tally.rows,
        "failed": job.tally.failed,
        "blank": job.tally.blank,
        "seconds": round(job.progress.seconds, 3),
        "complete": manifest.complete,
    }
