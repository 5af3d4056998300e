"""``ellmental embed``, behind its options: checks first, then the job, then what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ellmental_embeddings import ConfigurationError, EmbeddingError, load_generator

from .asked import open_input, splitter_for
from .comparison import compared
from .errors import FilesError, JobStopped
from .exporting import Export, require_room, run_export_of_job
from .interrupts import Interrupts
from .job import Job
from .journal import OutputLock
from .naming import counted
from .prices import price_of
from .repeated import find_repeated
from .reporting import say_finished, say_nothing_to_do, say_stopped
from .store import Store
from .target import check_output, choose_target
from .watching import Watcher

if TYPE_CHECKING:
    from pathlib import Path

    from ellmental_embeddings import EmbeddingGenerator

    from .comparison import Unchanged
    from .order import Order
    from .prices import Price
    from .sources import Opened
    from .splitting import Splitter

__all__ = ["run_embed"]


def run_embed(order: Order, output: Path, *, as_json: bool, export: Export | None = None) -> bool:
    """Do it, and say what was done.

    Args:
        order: what is to be embedded, and how.
        output: the dataset's folder.
        as_json: print events on stdout.
        export: where the dataset is copied to at its end, or None.

    Returns:
        True where every row of the input has a vector.

    Raises:
        FilesError: input or output cannot be used.
        EmbeddingError: there is no generator, or its service cannot be used.
        JobStopped: the same, once something was finished that the same command goes on from.
        KeyboardInterrupt, SystemExit: a signal.
    """
    with OutputLock(output):
        check_output(output, order.asked.sources, overwrite=order.overwrite)
        sources = open_input(order.asked, output)
        with load_generator(order.generator) as generator, Interrupts() as interrupts:
            watcher = Watcher(_bytes(sources), events=as_json, price=_price(generator))
            if export is not None:
                name = output.absolute().name
                require_room(export, name, order.asked.sources, generator.space)
            whole = _run(order, sources, generator, watcher, interrupts, output=output)
        return (export is None or run_export_of_job(output, export)) and whole


def _run(
    order: Order,
    sources: Opened,
    generator: EmbeddingGenerator,
    watcher: Watcher,
    interrupts: Interrupts,
    *,
    output: Path,
) -> bool:
    splitter = splitter_for(generator, order.asked)
    kept = sources.kept_fields()
    target = choose_target(
        output,
        order.manifest(generator, splitter.limit, kept),
        generator.space,
        overwrite=order.overwrite,
    )
    _say_what_with(generator, splitter, sources)
    watcher.event(
        "started",
        out=output.as_posix(),
        generator=generator.name,
        space=generator.space.to_dict(),
        resumed=not target.fresh,
    )
    if target.base is not None and target.fresh:
        names = tuple(item.name for item in kept)
        same = compared(target.base, sources, splitter, kept=names)
        if same is not None and not (order.retry_failed and same.texts):
            return say_nothing_to_do(target.base, watcher, same)
        watcher.say(f"{output.as_posix()} is complete{_why_again(same, sources)}")
    target.begin()
    job = Job(
        sources=sources,
        generator=generator,
        splitter=splitter,
        store=Store(target, kept=kept, retry_failed=order.retry_failed),
        watcher=watcher,
        interrupts=interrupts,
    )
    _run_job(job)
    repeated = None
    if order.asked.id_column is not None:
        repeated = _warn_of_repeated_ids(job, order.asked.id_column)
    say_finished(job, generator.name, repeated)
    return job.tally.failed == 0


def _run_job(job: Job) -> None:
    try:
        job.run()
    except BaseException as error:
        goes_on = say_stopped(job, error)
        # 1 would say that the job is done but for some rows.
        gave_up = isinstance(error, EmbeddingError) and not isinstance(error, ConfigurationError)
        if gave_up or (goes_on and isinstance(error, EmbeddingError | FilesError)):
            raise JobStopped(str(getattr(error, "message", error))) from error
        raise
    finally:
        job.watcher.clear()


def _warn_of_repeated_ids(job: Job, column: str) -> int:
    target = job.store.target
    repeated = find_repeated([target.folder / part.name for part in target.manifest.parts], 1)
    if repeated.rows:
        have = "row has" if repeated.rows == 1 else "rows have"
        job.watcher.say(
            f"warning: {repeated.rows:,} {have} the id of a row before, e.g. "
            f"{repeated.examples[0]}. `ellmental export` refuses such ids: is {column!r} the "
            "column of the ids? Without --id a row's id is its place."
        )
    return repeated.rows


def _say_what_with(generator: EmbeddingGenerator, splitter: Splitter, sources: Opened) -> None:
    fits = "texts are not split (the limit is not known; see --split-tokens)"
    if splitter.limit is not None:
        fits = f"pieces of at most {splitter.limit:,} tokens"
    if splitter.overlap:
        fits += f", {splitter.overlap:,} of them from the piece before"
    click.echo(f"generator: {generator.summary}, {fits}", err=True)
    for note in sources.notes:
        click.echo(f"note: {note}", err=True)


def _why_again(same: Unchanged | None, sources: Opened) -> str:
    """Why a dataset that is complete is worked on."""
    if same is not None:
        them = "it" if same.texts == 1 else "them"
        return f" but for {counted(same.texts, 'failed row')}: trying {them} again."
    if any(one.once for one in sources):
        return ". Its input can be read only once: it is compared while it is read."
    return ", and its input has changed since."


def _bytes(sources: Opened) -> int | None:
    sizes = [source.size for source in sources]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _price(generator: EmbeddingGenerator) -> Price | None:
    return price_of(generator.name, generator.space.model, None)
