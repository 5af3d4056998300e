"""Where a job writes: a new OUT, an OUT that is gone on with, or OUT.new that takes its place."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .agreement import differences, require_agreement
from .dataset import Manifest
from .dataset.files import made_folder, sync_folder
from .dataset.manifest import JOURNAL, is_ours
from .errors import FilesError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ellmental_embeddings import Space

__all__ = ["Target", "check_output", "choose_target", "folders_of", "foresee_target"]


def check_output(out: Path, sources: Sequence[str], *, overwrite: bool) -> None:
    """Refuse an OUT that is there and is no dataset, before anything else is looked at.

    Args:
        out: what the user named.
        sources: what is to be read, as it was named.
        overwrite: whether what is there is to be replaced.

    Raises:
        FilesError: saying what stands there and what to do.
    """
    name = out.as_posix()
    new = _beside(out)
    if os.path.lexists(new) and not _replaces(new):
        raise FilesError(
            f"{new.as_posix()} exists, and is none that a job for {name} has begun. Move it away: "
            f"the name is needed while {name} is replaced."
        )
    if not os.path.lexists(out) or _is_dataset(out):
        return
    if not out.is_dir():
        one = (
            "a file, one of your sources"
            if str(out) in map(os.path.normpath, sources)
            else "a file"
        )
        raise FilesError(
            f"{name} is {one}, and not touched. --output names the folder to make: choose another."
        )
    if not overwrite:
        raise FilesError(
            f"{name} exists, and is no dataset. Choose another --output, or replace an empty "
            "folder with --overwrite."
        )
    if out.is_symlink() or not is_ours(out):
        raise FilesError(
            f"{name} is not a dataset alone: --overwrite replaces nothing else. "
            "Choose another --output."
        )


@dataclass(slots=True, kw_only=True)
class Target:
    """Where a job writes.

    Attributes:
        out: what the user named.
        folder: where the parts go: OUT itself, or OUT.new.
        manifest: of the folder, as it was found or as it will be begun.
        base: a complete dataset that vectors may be taken from, or None.
        fresh: True where the folder is not there yet.
    """

    out: Path
    folder: Path
    manifest: Manifest
    base: Path | None = None
    fresh: bool = False

    @property
    def journal(self) -> Path:
        """The journal's folder."""
        return self.folder / JOURNAL

    @property
    def only_needs_its_name(self) -> bool:
        """Whether a job was killed when all was done but the last renaming."""
        return not self.fresh and self.folder != self.out and self.manifest.complete

    def begin(self) -> None:
        """Make the folder, where it is not there.

        Raises:
            FilesError: when it cannot be made; nothing is left of it then.
        """
        self.manifest.complete = False
        self.manifest.reason = None
        making = self.folder.absolute().with_name(f".{self.folder.name}.tmp")
        try:
            if not self.fresh:
                self.manifest.write(self.folder)
                return
            made_folder(self.folder.absolute().parent)
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            self.manifest.write(making)
            making.rename(self.folder)  # never is there a folder without a manifest
            sync_folder(making.parent)
        except OSError as error:
            shutil.rmtree(making, ignore_errors=True)
            raise FilesError(
                f"{self.out.as_posix()} cannot be written: {error.strerror or error}"
            ) from None

    def give_up(self) -> None:
        """Remove the folder: nothing was finished in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def put_in_place(self) -> None:
        """Put the complete dataset where OUT is, in place of an older one.

        No system-independent call swaps two folders: a kill between the two renames leaves
        both, whole, as .OUT.old and OUT.new; the next job puts that right. The first name is
        hidden, since people call their own copies OUT.old.

        Raises:
            OSError: when it cannot be renamed.
        """
        if self.folder == self.out:
            return
        old = _aside(self.out)
        if os.path.lexists(self.out):
            self.out.rename(old)
        self.folder.rename(self.out)
        sync_folder(old.parent)
        self.folder = self.out
        shutil.rmtree(old, ignore_errors=True)
        self.manifest.replaces = None  # done: under any other name it replaces nothing
        with suppress(OSError):
            self.manifest.write(self.out)


def choose_target(out: Path, now: Manifest, space: Space, *, overwrite: bool) -> Target:
    """Find out where to write, from what is there. Nothing is made yet.

    Args:
        out: what the user named, already checked and locked.
        now: the manifest that a new dataset would begin with.
        space: the generator's space, as far as it is known.
        overwrite: whether a complete OUT is to be embedded anew.

    Raises:
        FilesError: what is there was made otherwise.
    """
    _finish_swap(out)
    new = _beside(out)
    if not os.path.lexists(new) and _is_complete(out):
        # Killed between the last word and the end: everything in the journal is in parts.
        shutil.rmtree(out / JOURNAL, ignore_errors=True)
    target = _decided(out, out, new, now, space, overwrite=overwrite)
    if target.only_needs_its_name:
        target.put_in_place()
        return _decided(out, out, None, now, space, overwrite=False)
    return target


def foresee_target(out: Path, now: Manifest, space: Space, *, overwrite: bool) -> Target:
    """What ``choose_target`` would choose; but nothing is touched, and nothing may be begun in it.

    Its folders are named as they stand now, in the middle of a swap as well.

    Raises:
        FilesError: what is there was made otherwise.
    """
    there, new = out, _beside(out)
    if not os.path.lexists(out) and os.path.lexists(old := _aside(out)):
        there = new if os.path.lexists(new) else old
    unfinished = None if there == new else new
    target = _decided(out, there, unfinished, now, space, overwrite=overwrite)
    if target.only_needs_its_name:
        return _decided(out, target.folder, None, now, space, overwrite=False)
    return target


def _decided(
    out: Path, there: Path, new: Path | None, now: Manifest, space: Space, *, overwrite: bool
) -> Target:
    """Where to write: ``there`` stands for OUT, ``new`` for what is to replace it, if anything."""
    if new is not None and os.path.lexists(new):
        return _unfinished(out, new, now, space, overwrite=overwrite)
    found = Manifest.read(there) if there.is_dir() else None
    if found is None and not os.path.lexists(there):
        return Target(out=out, folder=out, manifest=now, fresh=True)
    if found is not None and not overwrite:
        require_agreement(out, found, now, space)
    if found is not None and not found.complete and not differences(found, now, space):
        found.settings = now.settings
        return Target(out=out, folder=there, manifest=found)
    now.replaces = "overwrite" if overwrite else "update"
    if not overwrite and found is not None:
        now.space = found.space
    base = None if overwrite else there
    return Target(out=out, folder=_beside(out), manifest=now, base=base, fresh=True)


def folders_of(out: Path) -> tuple[Path, ...]:
    """OUT, and what is to take its place."""
    return out, _beside(out)


def _beside(out: Path) -> Path:
    """OUT.new, which is to take the place of OUT."""
    return out.absolute().with_name(f"{out.absolute().name}.new")


def _aside(out: Path) -> Path:
    """What OUT is called for the moment in which it is replaced."""
    return out.absolute().with_name(f".{out.absolute().name}.old")


def _unfinished(out: Path, new: Path, now: Manifest, space: Space, *, overwrite: bool) -> Target:
    """Go on with an OUT.new that a job left."""
    there = Manifest.read(new)
    if there is None:
        raise FilesError(f"{new.as_posix()} has no manifest: remove it, and run this again.")
    if there.replaces == "overwrite" and not overwrite:
        raise FilesError(
            f"{new.as_posix()} exists: an --overwrite of {out.as_posix()} did not finish. Run it "
            "again with --overwrite to go on, or remove that folder to give it up."
        )
    require_agreement(new, there, now, space)
    there.settings = now.settings
    base = out if there.replaces == "update" and _is_dataset(out) else None
    return Target(out=out, folder=new, manifest=there, base=None if there.complete else base)


def _finish_swap(out: Path) -> None:
    """Finish what a kill between two renames has left, or between the last one and the end."""
    new, old = _beside(out), _aside(out)
    if not os.path.lexists(old):
        return
    if not os.path.lexists(out):
        (new if os.path.lexists(new) else old).rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _is_complete(path: Path) -> bool:
    found = Manifest.read(path) if path.is_dir() else None
    return found is not None and found.complete


def _replaces(path: Path) -> bool:
    """Whether a dataset was begun to take the place of another one."""
    found = Manifest.read(path) if _is_dataset(path) else None
    return found is not None and found.replaces is not None


def _is_dataset(path: Path) -> bool:
    if not path.is_dir() or path.is_symlink() or not is_ours(path):
        return False
    return Manifest.read(path) is not None
