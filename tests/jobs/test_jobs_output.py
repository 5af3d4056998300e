"""The output folder: what is in it, how it is written, and when it may be replaced."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from ellmental_embeddings import Space, SpaceMismatch, load_generator
from ellmental_embeddings_jobs.dataset import DatasetWriter, Manifest
from ellmental_embeddings_jobs.document import Document, Piece

if TYPE_CHECKING:
    from tests.jobs.conftest import Run


def rows(out: str) -> list[dict[str, Any]]:
    """All rows of a dataset, in the order of its parts."""
    found: list[dict[str, Any]] = []
    for part in sorted(Path(out).glob("part-*.parquet")):
        found += parquet.read_table(part).to_pylist()
    return found


def manifest(out: str) -> dict[str, Any]:
    """The manifest of a dataset."""
    read: dict[str, Any] = json.loads(Path(out, "_manifest.json").read_text())
    return read


def names(out: str) -> list[str]:
    """Everything in a folder, hidden files as well."""
    return sorted(path.name for path in Path(out).iterdir())


def test_parts_hold_their_space(ellmental: Run) -> None:
    """Every part says in its metadata which space its vectors live in; vectors are float32[d]."""
    Path("a.txt").write_text("one\n")
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    schema = parquet.read_schema("out/part-00000.parquet")
    described = json.loads(schema.metadata[b"ellmental"])
    with load_generator() as generator:
        assert Space.from_dict(described["space"]) == generator.embed(["one"]).space
    assert described["generator"] == "SCRIPTED"
    assert described["versions"]["scripted-generator"] == "1.0"
    assert schema.field("vector").type == pa.list_(pa.float32(), 256)


def test_part_is_stored_as_measured(ellmental: Run) -> None:
    """Vectors are split by bytes and compressed with zstd, without a dictionary."""
    Path("a.txt").write_text("one\n")
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    group = parquet.ParquetFile("out/part-00000.parquet").metadata.row_group(0)
    (vector,) = (
        group.column(index)
        for index in range(group.num_columns)
        if group.column(index).path_in_schema.startswith("vector")
    )
    assert vector.compression == "ZSTD"
    assert "BYTE_STREAM_SPLIT" in vector.encodings
    assert not vector.has_dictionary_page


def test_folder_is_read_as_one_table(ellmental: Run) -> None:
    """A reader of Parquet folders sees the rows alone, whatever else is in the folder."""
    Path("a.txt").write_text("one\nREFUSE\ntwo\n")
    assert ellmental("embed", "a.txt", "-o", "out").code == 1
    assert names("out") == ["_failed.jsonl", "_manifest.json", "part-00000.parquet"]
    assert parquet.read_table("out")["text"].to_pylist() == ["one", "two"]


def test_row_groups_are_bounded_in_bytes(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long texts make row groups of fewer rows, so that a group's memory is bounded."""
    from ellmental_embeddings_jobs.dataset import writer

    monkeypatch.setattr(writer, "BYTES_PER_GROUP", 2_000_000)
    Path("a.txt").write_text(("long " * 1000 + "\n") * 2000)
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    metadata = parquet.ParquetFile("out/part-00000.parquet").metadata
    sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    assert sum(sizes) == 2000
    assert max(sizes) <= 400


def test_parts_are_rolled_by_rows(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is closed once it has its rows; the manifest lists each with its count."""
    from ellmental_embeddings_jobs.dataset import writer

    monkeypatch.setattr(writer, "ROWS_PER_GROUP", 400)
    monkeypatch.setattr(writer, "ROWS_PER_PART", 800)
    Path("a.txt").write_text("text\n" * 2000)
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    assert [part["rows"] for part in manifest("out")["parts"]] == [800, 800, 400]
    assert [row["line"] for row in rows("out")] == list(range(1, 2001))


def test_manifest_says_complete_and_counts(ellmental: Run) -> None:
    """The manifest of a finished job says so, with counts, and nothing else is in the folder."""
    Path("a.txt").write_text("one\n\ntwo\n")
    assert ellmental("embed", "a.txt", "-o", "deep/er/out").code == 0
    read = manifest("deep/er/out")
    assert read["complete"] is True
    assert (read["rows"], read["documents"], read["blank"], read["failed"]) == (2, 2, 1, 0)
    assert read["parts"] == [{"name": "part-00000.parquet", "rows": 2}]
    assert names("deep/er/out") == ["_manifest.json", "part-00000.parquet"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_files_are_synced_before_they_get_their_names(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut cannot leave a name on unwritten data: sync, rename, sync of the folder."""
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        done.append("sync " + Path(f"/proc/self/fd/{handle}").readlink().name)
        sync(handle)

    def replaced(path: Path, target: Path) -> Path:
        done.append(f"rename to {Path(target).name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    Path("a.txt").write_text("one\nREFUSE\n")
    ellmental("embed", "a.txt", "-o", "out")
    for name in ("part-00000.parquet", "_failed.jsonl", "_manifest.json"):
        last = len(done) - 1 - done[::-1].index(f"rename to {name}")
        assert done[last - 1] == f"sync .{name}.tmp"
        assert done[last + 1] == "sync out"
    assert done[-2] == "rename to _manifest.json"  # complete is said last


@pytest.mark.parametrize("kind", ["photos", "folder", "file"])
def test_out_that_exists_is_left_alone(ellmental: Run, kind: str) -> None:
    """Whatever OUT is already, it is not touched, and the message says what to do."""
    Path("a.txt").write_text("one\n")
    if kind == "photos":
        Path("out").mkdir()
        Path("out", "photo.jpg").write_text("precious")
    elif kind == "folder":
        Path("out").mkdir()
    else:
        Path("out").write_text("precious")
    before = names("out") if kind != "file" else []
    ran = ellmental("embed", "a.txt", "-o", "out")
    assert ran.code == 4
    if kind == "file":
        assert "out is a file, and not touched. --output names the folder" in ran.err
        assert "--overwrite" not in ran.err
        assert Path("out").read_text() == "precious"
        return
    assert "out exists, and is no dataset" in ran.err
    assert "--overwrite" in ran.err
    assert names("out") == before


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_a_source_is_no_place_for_the_dataset(ellmental: Run, more: list[str]) -> None:
    """A file that is named as both is recognised, and not touched."""
    Path("a.txt").write_text("one\n")
    ran = ellmental("embed", "./a.txt", "-o", "a.txt", *more)
    assert ran.code == 4
    assert "a.txt is a file, one of your sources, and not touched" in ran.err
    assert Path("a.txt").read_text() == "one\n"


def test_overwrite_replaces_a_dataset(ellmental: Run) -> None:
    """--overwrite puts the new dataset in the old one's place and leaves nothing beside it."""
    Path("a.txt").write_text("old\n")
    ellmental("embed", "a.txt", "-o", "out")
    Path("a.txt").write_text("new\n")
    assert ellmental("embed", "a.txt", "-o", "out", "--overwrite").code == 0
    assert [row["text"] for row in rows("out")] == ["new"]
    assert names(".") == ["a.txt", "out"]


def test_out_is_looked_at_before_the_input(ellmental: Run) -> None:
    """What is known at once is said at once, before gigabytes of input are checked."""
    Path("out").mkdir()
    assert "out exists" in ellmental("embed", "missing.txt", "-o", "out").err


def test_vectors_of_two_spaces_are_never_mixed() -> None:
    """Where a generator changes its space in mid-job, the dataset refuses its rows."""
    document = Document(id="a", text="text", source="a.txt", line=1)
    piece = Piece(document=document, number=0, start=0, end=4, line=1)
    Path("out").mkdir()
    writer = DatasetWriter(Path("out"), Manifest(generator="X"))
    writer.require(Space(model="one", dimensions=4))
    writer.add([piece], np.ones((1, 4), np.float32))
    with pytest.raises(SpaceMismatch):
        writer.require(Space(model="two", dimensions=4))
    writer.stop("test")
    assert [row["text"] for row in rows("out")] == ["text"]


@pytest.mark.parametrize("content", ["photo.jpg", "sub/part-00000.parquet"])
def test_overwrite_refuses_what_is_no_dataset(ellmental: Run, content: str) -> None:
    """--overwrite never removes a file that no job wrote."""
    Path("a.txt").write_text("one\n")
    precious = Path("out", content)
    precious.parent.mkdir(parents=True)
    precious.write_text("precious")
    ran = ellmental("embed", "a.txt", "-o", "out", "--overwrite")
    assert ran.code == 4
    assert "not a dataset alone" in ran.err
    assert precious.read_text() == "precious"


def test_overwrite_keeps_the_old_dataset_until_the_end(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the new job fails, OUT is as it was, and a second try goes on with the new rows."""
    Path("a.txt").write_text("old\n")
    ellmental("embed", "a.txt", "-o", "out")
    Path("a.txt").write_text("".join(f"new {number}\n" for number in range(3000)))
    monkeypatch.setenv("SCRIPTED_STOP_AFTER", "1000")
    ran = ellmental("embed", "a.txt", "-o", "out", "--overwrite")
    assert ran.code == 5
    assert "kept in" in ran.err
    assert "out is as it was" in ran.err
    assert [row["text"] for row in rows("out")] == ["old"]
    assert rows("out.new")[0]["text"] == "new 0"
    without = ellmental("embed", "a.txt", "-o", "out")
    assert without.code == 4
    assert "an --overwrite of out did not finish" in without.err
    monkeypatch.delenv("SCRIPTED_STOP_AFTER")
    again = ellmental("embed", "a.txt", "-o", "out", "--overwrite", "--json")
    assert again.code == 0
    finished = json.loads(again.out.splitlines()[-1])
    assert 900 <= finished["known"] < 3000
    assert [row["text"] for row in rows("out")] == [f"new {number}" for number in range(3000)]
    assert names(".") == ["a.txt", "out"]


def test_names_beside_out_that_are_not_ours_are_left_alone(ellmental: Run) -> None:
    """OUT.new is needed to replace OUT: neither a stranger nor a dataset is touched."""
    Path("a.txt").write_text("one\n")
    Path("out.new").mkdir()
    Path("out.new", "photo.jpg").write_text("precious")
    ran = ellmental("embed", "a.txt", "-o", "out")
    assert ran.code == 4
    assert "out.new exists, and is none that a job for out has begun" in ran.err
    assert Path("out.new", "photo.jpg").read_text() == "precious"
    Path("out.new").rename("moved away")
    ellmental("embed", "a.txt", "-o", "out.new")
    Path("a.txt").write_text("one\ntwo\n")
    assert ellmental("embed", "a.txt", "-o", "out.new").code == 0  # it has been replaced itself
    assert ellmental("embed", "a.txt", "-o", "out").code == 4
    assert [row["text"] for row in rows("out.new")] == ["one", "two"]


def test_copy_that_is_called_out_old_is_left_alone(ellmental: Run) -> None:
    """A user's copy of OUT survives that OUT is replaced, and is not taken for OUT."""
    Path("a.txt").write_text("one\n")
    ellmental("embed", "a.txt", "-o", "out")
    Path("out").rename("out.old")
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    assert names(".") == ["a.txt", "out", "out.old"]
    Path("a.txt").write_text("two\n")
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    assert [row["text"] for row in rows("out.old")] == ["one"]
    assert names(".") == ["a.txt", "out", "out.old"]
