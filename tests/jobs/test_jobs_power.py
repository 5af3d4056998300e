"""What a power cut could leave: content is safe before its name, a name before what it covers goes.

The order of syncing, renaming and removing is recorded beneath a real job. A file system may lose
whatever was not synced, and nothing else; so the order alone decides.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ellmental_embeddings_jobs.dataset import writer
from ellmental_embeddings_jobs.journal import segment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.jobs.conftest import Run

State = tuple[int, int]
"""Size and time of the last change."""


@dataclass
class Disk:
    """What is safe, by inode; and every step that relied on something that was not."""

    synced: dict[int, State] = field(default_factory=dict)
    unnamed: dict[int, str] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)
    renamed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def sync(self, handle: int) -> None:
        """A file's content is safe now, or the names within a folder are."""
        about = os.fstat(handle)
        self.synced[about.st_ino] = (about.st_size, about.st_mtime_ns)
        self.unnamed.pop(about.st_ino, None)
        if self.left.pop(about.st_ino, None) in self.unnamed:
            self.faults.append("a file's old name is gone before its new one is safe")

    def rename(self, path: Path, name: Path) -> None:
        """A file, or a folder with all that is in it, gets a name."""
        inside = [path, *path.rglob("*")] if path.is_dir() else [path]
        self.faults += [f"{one} is renamed unsynced" for one in inside if self.is_new(one)]
        self.renamed.append(name.name)
        if name.parent != path.parent:
            self.left[path.parent.stat().st_ino] = name.parent.stat().st_ino
        for folder in {path.parent, name.parent}:
            self.unnamed[folder.stat().st_ino] = f"{name} has its name"

    def make(self, path: Path) -> None:
        """A folder gets a name."""
        self.unnamed[path.parent.stat().st_ino] = f"{path} is made"

    def is_new(self, path: Path) -> bool:
        """Whether a file's content, or a name within a folder, was not synced since it is there."""
        about = path.stat()
        if path.is_dir():
            return about.st_ino in self.unnamed
        return self.synced.get(about.st_ino) != (about.st_size, about.st_mtime_ns)

    def remove(self, name: str) -> None:
        """What a job goes on from is removed: all that covers it has to be safe."""
        if name.startswith(("vectors-", "previous-", "part-")) and not name.endswith(".tmp"):
            self.removed.append(name)
            self.faults += [f"{what}, which is not synced" for what in self.unnamed.values()]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Records what is done beneath a job, and does it."""
    found = Disk()

    def recorded(call: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            if note == found.sync:
                call(*arguments)
                note(*arguments)
                return None
            note(*arguments, **options)
            return call(*arguments, **options)

        return run

    def renaming(old: Any, new: Any) -> None:
        found.rename(Path(old).absolute(), Path(new).absolute())

    def removing(path: Any, **_: Any) -> None:
        found.remove(Path(path).name)

    monkeypatch.setattr(segment, "_sync", recorded(segment._sync, found.sync))
    monkeypatch.setattr(os, "fsync", recorded(os.fsync, found.sync))
    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, recorded(getattr(os, name), renaming))
    make = os.mkdir

    def made(path: Any, *arguments: Any) -> None:
        make(path, *arguments)
        found.make(Path(path).absolute())

    monkeypatch.setattr(os, "mkdir", made)
    for name in ("unlink", "remove"):
        monkeypatch.setattr(os, name, recorded(getattr(os, name), removing))
    monkeypatch.setattr(writer, "ROWS_PER_GROUP", 100)
    monkeypatch.setattr(writer, "ROWS_PER_PART", 400)
    return found


def test_nothing_is_named_or_removed_before_what_it_relies_on(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch, disk: Disk
) -> None:
    """A job that is begun, stopped, gone on with after a change, and made anew after another."""
    texts = [f"text {number}" for number in range(1500)]
    Path("a.txt").write_text("\n".join([*texts, "REFUSE"]))
    with monkeypatch.context() as patch:
        patch.setenv("SCRIPTED_STOP_AFTER", "1000")
        patch.setenv("EMBEDDING_MAX_CONCURRENCY", "2")
        assert ellmental("embed", "a.txt", "-o", "new/folder/out").code == 5
    for first in ("changed", "changed again"):
        Path("a.txt").write_text("\n".join([first, *texts[1:], "REFUSE"]))
        assert ellmental("embed", "a.txt", "-o", "new/folder/out").code == 1
    assert disk.faults == []
    assert {"out", ".out.old", "part-00003.parquet", "_failed.jsonl"} <= set(disk.renamed)
    assert any(name.startswith("previous-") for name in disk.renamed)
    assert {name.partition("-")[0] for name in disk.removed} == {"vectors", "previous", "part"}
