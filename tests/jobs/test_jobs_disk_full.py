"""A full disk: a message, whole parts, and with room again the same command goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet

from ellmental_embeddings_jobs.dataset import writer
from ellmental_embeddings_jobs.dataset.part import PartWriter

if TYPE_CHECKING:
    from tests.jobs.conftest import Run

ELLMENTAL = [sys.executable, "-m", "scripted_main"]


def rows(out: str) -> list[dict[str, Any]]:
    """All rows of a dataset."""
    found: list[dict[str, Any]] = []
    for part in sorted(Path(out).glob("part-*.parquet")):
        found += parquet.read_table(part).to_pylist()
    return found


def go_on(*arguments: str) -> dict[str, Any]:
    """Run the same command to its end, in this process's surroundings; its last event."""
    ran = subprocess.run([*ELLMENTAL, *arguments, "--json"], capture_output=True, check=True)
    last: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return last


LIMITED = textwrap.dedent("""
    import resource, sys
    from ellmental_embeddings_jobs.dataset import writer
    writer.ROWS_PER_GROUP, writer.ROWS_PER_PART = 250, int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
    from ellmental_embeddings.cli.main import main
    main(["embed", "a.txt", "-o", "out"])
""")


def run_limited(size: int, rows_per_part: int) -> tuple[int, str]:
    """Run embed where no file can grow beyond a size: writing fails as on a full disk."""
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), str(rows_per_part)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ran.returncode, ran.stderr


def test_part_that_cannot_be_written_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is gone, those before it are whole; with room again, no text is sent a second time."""
    monkeypatch.setenv("SCRIPTED_WIDTH", "16")
    short = [f"text {number}\n" for number in range(1000)]
    noise = [f"{os.urandom(2000).hex()}\n" for _ in range(1000)]
    Path("a.txt").write_text("".join(short + noise))
    code, err = run_limited(400_000, 250)
    assert code == 5
    assert "out cannot be written: File too large" in err
    assert "Traceback" not in err
    kept = rows("out")
    assert len(kept) == 1000
    said = re.search(r"Stopped: ([\d,]+) rows kept in out.*: 1,000 in its parts, ([\d,]+) in", err)
    assert said is not None
    assert int(said[1].replace(",", "")) == 1000 + int(said[2].replace(",", ""))
    assert not [path for path in Path("out").iterdir() if path.name.startswith(".")]
    manifest = json.loads(Path("out/_manifest.json").read_text())
    assert manifest["complete"] is False
    assert "cannot be written" in manifest["reason"]
    assert manifest["rows"] == len(kept)
    finished = go_on("embed", "a.txt", "-o", "out")
    assert finished["known"] > 1000  # out of the journal
    assert [row["line"] for row in rows("out")] == list(range(1, 2001))


def test_journal_that_cannot_be_written_ends_the_job() -> None:
    """What it holds stays, and the same command goes on."""
    Path("a.txt").write_text("".join(f"text {number}\n" for number in range(2000)))
    code, err = run_limited(400_000, 64_000)
    assert code == 5
    assert "out cannot be written: File too large" in err
    assert "Traceback" not in err
    finished = go_on("embed", "a.txt", "-o", "out")
    assert 300 <= finished["known"] < 500  # 256 numbers of 4 bytes, a key of 16
    assert [row["line"] for row in rows("out")] == list(range(1, 2001))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None,
    reason="only root may mount a small disk",
)
def test_disk_that_is_full() -> None:
    """On a disk of 3 MB: a message, whole parts, and on a larger one the same command goes on."""
    Path("disk").mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", "disk"], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk could be mounted: {mounted.stderr.decode()}")
    Path("a.txt").write_text("".join(f"text {number}\n" for number in range(10_000)))
    try:
        ran = subprocess.run(
            [*ELLMENTAL, "embed", "a.txt", "-o", "disk/out"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 5
        assert "disk/out cannot be written: No space left on device" in ran.stderr
        assert "Traceback" not in ran.stderr
        subprocess.run(["mount", "-o", "remount,size=64m", "disk"], check=True)
        finished = go_on("embed", "a.txt", "-o", "disk/out")
        assert finished["known"] > 1000
        assert [row["line"] for row in rows("disk/out")] == list(range(1, 10_001))
    finally:
        subprocess.run(["umount", "disk"], check=True)


def test_part_that_cannot_be_begun_leaves_no_gap(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for a moment in between, later rows get no part before the earlier ones."""
    monkeypatch.setattr(writer, "ROWS_PER_GROUP", 100)
    monkeypatch.setattr(writer, "ROWS_PER_PART", 100)
    monkeypatch.setenv("SCRIPTED_DELAY", "0.01")
    Path("a.txt").write_text("".join(f"text {number}\n" for number in range(1000)))
    begin, begun = PartWriter.__init__, []

    def full_once(self: PartWriter, path: Path, schema: Any) -> None:
        begun.append(path.name)
        if len(begun) == 2:
            raise OSError(28, "No space left on device")
        begin(self, path, schema)

    monkeypatch.setattr(PartWriter, "__init__", full_once)
    ran = ellmental("embed", "a.txt", "-o", "out")
    assert (ran.code, "out cannot be written: No space" in ran.err) == (5, True)
    assert [row["line"] for row in rows("out")] == list(range(1, 101))
    ran = ellmental("embed", "a.txt", "-o", "out", "--json")
    assert ran.code == 0
    assert json.loads(ran.out.splitlines()[-1])["known"] > 100
    assert [row["line"] for row in rows("out")] == list(range(1, 1001))


def test_full_disk_at_the_very_beginning() -> None:
    """Where not even the manifest can be written, OUT is not left behind."""
    Path("a.txt").write_text("one\n")
    code, err = run_limited(10, 64_000)
    assert code == 4
    assert "out cannot be written" in err
    assert not Path("out").exists()
