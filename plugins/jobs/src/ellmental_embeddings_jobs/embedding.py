"""``ellmental embed``, behind its options: checks first, then the job, then what it says."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from ellmental_embeddings import EmbeddingError, load_generator

from .comparison import is_unchanged
from .dataset import Manifest
from .errors import FilesError, JobStopped
from .interrupts import Interrupts
from .job import Job
from .journal import OutputLock
from .prices import price_of
from .reporting import say_finished, say_nothing_to_do, say_stopped
from .sources import FORMATS, Columns, open_sources
from .splitting import Splitter
from .store import Store
from .target import check_output, choose_target
from .watching import Watcher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ellmental_embeddings import EmbeddingGenerator

    from .dataset.storage import Store as StoreKind
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
        retry_failed: take up again what failed for good in an earlier run.
        store: how vectors are stored.
        as_json: print events as JSON on stdout.
    """

    sources: tuple[str, ...]
    output: Path
    column: str | None
    id_column: str | None
    max_tokens: int | None
    generator: str | None
    overwrite: bool
    retry_failed: bool
    store: StoreKind
    as_json: bool


def run_embed(order: Order) -> bool:
    """Do it, and say what was done.

    Returns:
        True where every row of the input has a vector.

    Raises:
        FilesError: input or output cannot be used.
        EmbeddingError: there is no generator, or its service cannot be used.
        JobStopped: the same, once something was finished that the same command goes on from.
        KeyboardInterrupt, SystemExit: a signal.
    """
    with OutputLock(order.output):
        check_output(order.output, overwrite=order.overwrite)
        sources = open_input(order.sources, order.column, order.id_column)
        with load_generator(order.generator) as generator, Interrupts() as interrupts:
            return _run(order, sources, generator, interrupts)


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


def _run(
    order: Order, sources: Opened, generator: EmbeddingGenerator, interrupts: Interrupts
) -> bool:
    limit = limit_of(generator, order.max_tokens)
    target = choose_target(
        order.output,
        _manifest(generator, order, limit),
        generator.space,
        overwrite=order.overwrite,
    )
    _say_what_with(generator, limit, sources)
    splitter = Splitter(limit, generator.most_tokens, generator.count_tokens)
    price = price_of(generator.name, generator.space.model, None)
    watcher = Watcher(_bytes(sources), events=order.as_json, price=price)
    watcher.event(
        "started",
        out=order.output.as_posix(),
        generator=generator.name,
        space=generator.space.to_dict(),
        resumed=not target.fresh,
    )
    if target.base is not None and target.fresh:
        failed = is_unchanged(target.base, sources, splitter, retry_failed=order.retry_failed)
        if failed is not None:
            return say_nothing_to_do(target.base, watcher, failed)
        watcher.say(f"{order.output.as_posix()} is complete, and its input has changed since.")
    target.begin()
    job = Job(
        sources=sources,
        generator=generator,
        splitter=splitter,
        store=Store(target, retry_failed=order.retry_failed),
        watcher=watcher,
        interrupts=interrupts,
    )
    _run_job(job)
    say_finished(job, generator.name)
    return job.tally.failed == 0


def _run_job(job: Job) -> None:
    try:
        job.run()
    except BaseException as error:
        goes_on = say_stopped(job, error)
        if goes_on and isinstance(error, EmbeddingError | FilesError):
            raise JobStopped(str(getattr(error, "message", error))) from error
        raise
    finally:
        job.watcher.clear()


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
            "store": order.store,
            "sources": list(order.sources),
        },
    )
