"""What a job says at its end, to people and to programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dataset import Manifest
from .errors import FilesError
from .job import Tally
from .kinds import told_kinds
from .naming import counted
from .watching import SHOWN

if TYPE_CHECKING:
    from pathlib import Path

    from .comparison import Unchanged
    from .job import Job
    from .watching import Watcher

__all__ = ["say_finished", "say_nothing_to_do", "say_stopped"]


def say_stopped(job: Job, error: BaseException) -> bool:
    """Say what is kept of a job that has ended early.

    Returns:
        whether there is anything to go on from; nothing is left of a job where there is not.
    """
    target, watcher = job.store.target, job.watcher
    folder = target.folder.as_posix()
    keeps = not job.store.is_empty
    if keeps:
        parts, journaled = target.manifest.rows, _journaled(job)
        kept = f"{counted(parts + journaled, 'row')} kept in {folder}, which is incomplete"
        where = f": {parts:,} in its parts, {journaled:,} in its journal" if journaled else ""
        watcher.say(f"Stopped: {kept}{where}.")
        again = ", given the same input again," if any(one.once for one in job.sources) else ""
        watcher.say(f"The same command{again} goes on from there.")
    else:
        target.give_up()
        watcher.say("Stopped: no row was finished, nothing is kept.")
    if target.folder != target.out:
        watcher.say(f"{target.out.as_posix()} is as it was.")
    reason = str(getattr(error, "message", None) or error) or "interrupted"
    watcher.event("stopped", reason=reason, resumable=keeps, **watcher.figures(job.tally))
    return keeps


def _journaled(job: Job) -> int:
    try:
        return job.store.journaled()
    except FilesError:  # a part is damaged; that is not what the job has ended for
        return job.store.order.rows


def say_nothing_to_do(base: Path, watcher: Watcher, same: Unchanged) -> bool:
    """Say that a dataset has all of its input; True where no row of it failed."""
    failed = same.failed
    manifest = Manifest.read(base)
    assert manifest is not None
    out = base.as_posix()
    still = f", {counted(failed, 'failed row')}" if failed else ""
    if same.texts:
        still += " (--retry-failed tries them again)"
    watcher.say(
        f"Nothing to do: {out} has all of the input, {counted(manifest.rows, 'row')}{still}."
    )
    tally = Tally(
        documents=manifest.documents,
        rows=manifest.rows,
        known=manifest.rows,
        failed=failed,
        blank=manifest.blank,
    )
    figures = {**watcher.figures(tally), "out": out, "space": manifest.space, "complete": True}
    watcher.event("finished", vanished=0, generator=manifest.generator, **figures)
    return not failed


def say_finished(job: Job, generator: str, repeated_ids: int | None) -> None:
    """Say what a job has done that has come to its end.

    Args:
        job: which.
        generator: its generator's name.
        repeated_ids: rows whose id a row before them has; None where ids are the rows' places.
    """
    tally, out = job.tally, job.store.target.out.as_posix()
    vanished, places = job.vanished
    if vanished:
        shown = ", ".join(places) + (", ..." if vanished > len(places) else "")
        job.watcher.say(
            f"{counted(vanished, 'row')} of before {'is' if vanished == 1 else 'are'} not in the "
            f"input any more, and left out: {shown}"
        )
    retried, recovered = job.store.retried, job.store.recovered
    if retried:
        job.watcher.say(
            f"{counted(retried, 'row')} that had failed {'was' if retried == 1 else 'were'} tried "
            f"again: {recovered:,} succeeded, {retried - recovered:,} failed."
        )
    job.watcher.event(
        "finished",
        **job.watcher.figures(tally),
        out=out,
        generator=generator,
        space=job.store.target.manifest.space,
        vanished=vanished,
        repeated_ids=repeated_ids,
        complete=True,
    )
    if (more := tally.failed - SHOWN) > 0:
        job.watcher.say(f"... and {more:,} more failed. All: {told_kinds(tally.kinds)}")
    split = f" ({tally.split:,} split)" if tally.split else ""
    known = f", {tally.known:,} of them there before" if tally.known else ""
    blank = f", {counted(tally.blank, 'blank line')} passed over" if tally.blank else ""
    failed = f", {tally.failed:,} failed (all in {out}/_failed.jsonl)" if tally.failed else ""
    rows, documents = counted(tally.rows, "row"), counted(tally.documents, "document")
    job.watcher.say(
        f"{rows} from {documents}{split}{known}{failed}{blank}, {job.watcher.seconds:.1f} s: {out}"
    )
