"""``ellmental export``: a dataset's rows into a target, checked first, then written, then told."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ellmental_embeddings import Space

from .agreement import SAID_BY_SERVICE
from .dataset import Manifest, open_dataset
from .errors import FilesError, JobStopped
from .naming import counted
from .progress import Progress
from .targets import About, Counts, Rows, open_target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .targets import ExportTarget, Skipped

__all__ = ["Export", "require_room", "run_export", "run_export_of_job"]

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What the user asked for.

    Attributes:
        to: TARGET, as it was spelled.
        overwrite: replace what another dataset, or one of another space, has left there.
        halfvec: 16-bit numbers, where the target can.
        as_json: print what was done as JSON on stdout.
    """

    to: str
    overwrite: bool = False
    halfvec: bool = False
    as_json: bool = False


def require_room(export: Export, dataset: str, sources: Sequence[str], space: Space) -> None:
    """Make sure, before anything is paid for, that a target will take a dataset.

    Args:
        export: what was asked for.
        dataset: name of the dataset's folder.
        sources: what it is made from.
        space: of its vectors, as far as it is known before the first answer.

    Raises:
        FilesError: the target cannot be reached, or holds something else.
        click.UsageError: it is spelled like none.
    """
    with _opened(export) as target:
        held = target.held()
        if held is not None and not export.overwrite:
            other = _other_space(held, space, unknown=SAID_BY_SERVICE)
            _refuse(target, _others(held, dataset, sources) + other)


def run_export(folder: Path, export: Export) -> bool:
    """Make a target hold exactly the rows of a dataset.

    Returns:
        True where every row has a place in it.

    Raises:
        FilesError: the dataset or the target cannot be used; the target is as it was.
        JobStopped: it ended early, and the same command completes it.
        click.UsageError: it is spelled like none.
    """
    dataset = open_dataset(folder)
    if dataset.incomplete:
        raise FilesError(
            f"{folder.as_posix()} is incomplete ({dataset.incomplete}): rows that it does not have "
            "yet would be taken from the target. Run the command again that embeds it."
        )
    progress = Progress(dataset.rows, sys.stderr)
    began = time.monotonic()
    skipped: list[Skipped] = []

    def tell(done: int) -> None:
        seconds = max(time.monotonic() - began, 1e-9)
        left = (dataset.rows - done) * seconds / done
        progress.show(done, done, len(skipped), rate=done / seconds, left=left)

    def skip(one: Skipped) -> None:
        if len(skipped) < _SHOWN:
            progress.say(f"skipped: {one.place}: {one.reason}")
        skipped.append(one)

    rows = Rows(dataset, halfvec=export.halfvec, on_batch=tell)
    with _opened(export) as target:
        about = _about(folder, rows, target)
        held = target.held()
        other_table = False
        if held is not None:
            tables = _other_space(held, dataset.space) + _other_columns(held, about)
            if not export.overwrite:
                _refuse(target, _others(held, about.dataset, about.sources) + tables)
            other_table = bool(tables)
        current = held is not None and not export.overwrite and _is_current(held, about)
        if held is not None and current and target.count() == held.rows:
            counts = Counts(rows=held.rows, changed=0, deleted=0, skipped=held.skipped)
        else:
            rows.require_unique()
            try:
                counts = target.write(rows, about, anew=other_table, on_skipped=skip)
            finally:
                progress.clear()
        _tell(target, about, counts, time.monotonic() - began, as_json=export.as_json)
    return not counts.skipped


def run_export_of_job(folder: Path, export: Export) -> bool:
    """Export what a job has just completed.

    Returns:
        True where every row has a place in the target.

    Raises:
        JobStopped: it did not come to its end; the dataset itself is complete.
    """
    name = folder.as_posix()
    manifest = Manifest.read(folder)
    if manifest is not None and not manifest.rows:
        click.echo("No row has a vector: nothing is copied.", err=True)
        return False
    try:
        return run_export(folder, export)
    except (FilesError, JobStopped) as error:
        raise JobStopped(
            f"{error.message}\n{name} itself is complete: `ellmental export {name} --to TARGET` "
            "makes the copy alone."
        ) from None


def _opened(export: Export) -> ExportTarget:
    target = open_target(export.to)
    if export.halfvec and not target.takes_halfvec:
        raise click.UsageError(f"--halfvec is for PostgreSQL: {target.kind} has no such type.")
    return target


def _about(folder: Path, rows: Rows, target: ExportTarget) -> About:
    manifest = Manifest.read(folder)
    assert manifest is not None  # it would be incomplete without
    return About(
        dataset=folder.absolute().name,
        sources=tuple(manifest.settings.get("sources", ())),
        generator=manifest.generator,
        space=rows.dataset.space.to_dict(),
        columns=target.columns(rows),
        fingerprint=rows.fingerprint,
    )


def _is_current(held: About, about: About) -> bool:
    same = held.fingerprint == about.fingerprint and held.columns == about.columns
    return held.complete and same and held.dataset == about.dataset


# What a target holds that is not this dataset's


def _others(held: About, dataset: str, sources: Sequence[str]) -> list[str]:
    found = []
    if held.dataset != dataset:
        found.append(f"dataset: {held.dataset} there, {dataset} now")
    gone = [name for name in held.sources if name not in sources]
    if gone:
        found.append(f"sources: {', '.join(gone)} there, not in this dataset")
    return found


def _other_space(held: About, space: Space, *, unknown: Sequence[str] = ()) -> list[str]:
    """Differences of two spaces; of fields in ``unknown`` a None is no word against another."""
    theirs = Space.from_dict(held.space).to_dict()
    return [
        f"{name}: {theirs[name]!r} there, {now!r} now"
        for name, now in space.to_dict().items()
        if name != "id" and theirs[name] != now and not (now is None and name in unknown)
    ]


def _other_columns(held: About, about: About) -> list[str]:
    return [
        f"column {name}: {held.columns.get(name, 'none')} there, "
        f"{about.columns.get(name, 'none')} now"
        for name in dict.fromkeys([*held.columns, *about.columns])
        if held.columns.get(name) != about.columns.get(name)
    ]


def _refuse(target: ExportTarget, differences: list[str]) -> None:
    if differences:
        lines = "\n".join(f"  {line}" for line in differences)
        another = "#TABLE" if target.spelling.table else "FILE"
        raise FilesError(
            f"{target.name} holds something else than this dataset:\n{lines}\n"
            f"Name another {another}, or replace what is there with --overwrite."
        )


# What is said at the end


def _tell(
    target: ExportTarget, about: About, counts: Counts, seconds: float, *, as_json: bool
) -> None:
    rows = counted(counts.rows, "row")
    left_out = f", {counts.skipped:,} skipped" if counts.skipped else ""
    if counts.changed == 0 and counts.deleted == 0:
        line = f"Nothing to do: {target.name} has all of {about.dataset}, {rows}{left_out}."
    else:
        changed = deleted = ""
        if counts.changed is not None:
            changed = f", {counts.changed:,} of them new or changed"
        if counts.deleted:
            deleted = f", {counts.deleted:,} deleted that {about.dataset} has no more"
        line = f"{rows}{changed}{deleted}{left_out}, {seconds:.1f} s: {target.name}"
    click.echo(line, err=True)
    click.echo(f"query it: {target.hint()}", err=True)
    if as_json:
        told = {
            "event": "exported",
            "to": target.name,
            "dataset": about.dataset,
            "space": about.space,
            "rows": counts.rows,
            "changed": counts.changed,
            "deleted": counts.deleted,
            "skipped": counts.skipped,
            "seconds": round(seconds, 3),
        }
        click.echo(json.dumps(told))
