"""What a job says at its end, to people and to programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dataset import Manifest
from .job import Tally
from .naming import counted

if TYPE_CHECKING:
    from pathlib import Path

    from .job import Job
    from .watching import Watcher

__all__ = ["say_finished", "say_nothing_to_do", "say_stopped"]


def say_stopped(job: Job, error: BaseException) -> bool:
    """Say what is kept of a job that has ended early.

    Returns:
        whether there is anything to go on from; nothing is left of a job where there is not.
    """
    target, watcher = job.store.target, job.watcher
    rows, waiting = target.manifest.rows, job.store.order.waiting()
    folder = target.folder.as_posix()
    keeps = not job.store.is_empty
    if keeps:
        watcher.say(f"Stopped: {counted(rows, 'row')} kept in {folder}, which is incomplete.")
        more = f"{waiting:,} more in its journal. " if waiting else ""
        again = ", given the same input again," if any(one.once for one in job.sources) else ""
        watcher.say(f"{more}The same command{again} goes on from there.")
    else:
        target.give_up()
        watcher.say("Stopped: no row was finished, nothing is kept.")
    if target.folder != target.out:
        watcher.say(f"{target.out.as_posix()} is as it was.")
    reason = str(getattr(error, "message", None) or error) or "interrupted"
    watcher.event("stopped", reason=reason, resumable=keeps, **watcher.figures(job.tally))
    return keeps


def say_nothing_to_do(base: Path, watcher: Watcher, failed: int) -> bool:
    """Say that a dataset has all of its input; True where no row of it failed."""
    manifest = Manifest.read(base)
    assert manifest is not None
    out = base.as_posix()
    still = f", {counted(failed, 'failed row')} (--retry-failed tries them again)" if failed else ""
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


def say_finished(job: Job, generator: str) -> None:
    """Say what a job has done that has come to its end."""
    tally, out = job.tally, job.store.target.out.as_posix()
    vanished, places = job.vanished
    if vanished:
        shown = ", ".join(places) + (", ..." if vanished > len(places) else "")
        job.watcher.say(
            f"{counted(vanished, 'row')} of before {'is' if vanished == 1 else 'are'} not in the "
            f"input any more, and left out: {shown}"
        )
    job.watcher.event(
        "finished",
        **job.watcher.figures(tally),
        out=out,
        generator=generator,
        space=job.store.target.manifest.space,
        vanished=vanished,
        complete=True,
    )
    split = f" ({tally.split:,} split)" if tally.split else ""
    known = f", {tally.known:,} of them there before" if tally.known else ""
    blank = f", {counted(tally.blank, 'blank line')} passed over" if tally.blank else ""
    failed = f", {tally.failed:,} failed (all in {out}/_failed.jsonl)" if tally.failed else ""
    rows, documents = counted(tally.rows, "row"), counted(tally.documents, "document")
    job.watcher.say(
        f"{rows} from {documents}{split}{known}{failed}{blank}, {job.watcher.seconds:.1f} s: {out}"
    )
