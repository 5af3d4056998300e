"""``ellmental embed``: from files to a dataset, and what it says when it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from ellmental_embeddings import load_generator

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


def failed(out: str) -> list[dict[str, Any]]:
    """The failed rows of a dataset."""
    return [json.loads(line) for line in Path(out, "_failed.jsonl").read_text().splitlines()]


def names(out: str) -> list[str]:
    """Everything in a folder, hidden files as well."""
    return sorted(path.name for path in Path(out).iterdir())


def test_every_text_gets_its_own_vector(ellmental: Run) -> None:
    """The vector on a row is the one of its text, in the order of the input, across batches."""
    texts = [f"word{number} and more" for number in range(1234)]
    Path("a.txt").write_text("\n".join(texts))
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    found = rows("out")
    assert [row["text"] for row in found] == texts
    with load_generator() as generator:
        expected = generator.embed(texts).vectors
    assert np.array_equal(np.array([row["vector"] for row in found], np.float32), expected)


def test_rows_name_their_file_and_place(ellmental: Run) -> None:
    """Each format's rows say where they stand."""
    Path("a.txt").write_text("\nline two\n")
    Path("b.md").write_text("# One\n")
    Path("c.csv").write_text("key,text\nk1,cell\n")
    Path("d.jsonl").write_text('"bare"\n')
    parquet.write_table(pa.table({"text": ["row"]}), "e.parquet")
    ran = ellmental("embed", "a.txt", "b.md", "c.csv", "d.jsonl", "e.parquet", "-o", "out")
    assert ran.code == 0
    assert [(row["id"], row["source"], row["line"], row["piece"]) for row in rows("out")] == [
        ("a.txt:2", "a.txt", 2, 0),
        ("b.md", "b.md", 1, 0),
        ("c.csv:2", "c.csv", 2, 0),
        ("d.jsonl:1", "d.jsonl", 1, 0),
        ("e.parquet:1", "e.parquet", 1, 0),
    ]


def test_column_and_id_are_taken(ellmental: Run) -> None:
    """--column and --id choose what is read; text that is given as a bare name is not guessed."""
    Path("c.csv").write_text("key,body\nk1,cell\n")
    assert ellmental("embed", "c.csv", "--column", "body", "--id", "key", "-o", "out").code == 0
    assert [(row["id"], row["text"]) for row in rows("out")] == [("k1", "cell")]


def test_long_documents_are_split_and_say_where(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document over the model's limit becomes pieces that fit, with offsets and lines."""
    monkeypatch.setenv("SCRIPTED_LIMIT", "6")
    text = "# One\n\nalpha beta gamma.\n\n## Two\n\ndelta epsilon. Zeta eta theta iota kappa.\n"
    Path("b.md").write_text(text)
    ran = ellmental("embed", "b.md", "-o", "out")
    assert ran.code == 0
    assert "3 rows from 1 document (1 split)" in ran.err
    found = rows("out")
    assert [(row["piece"], row["line"], row["text"]) for row in found] == [
        (0, 1, "# One\n\nalpha beta gamma."),
        (1, 5, "## Two\n\ndelta epsilon."),
        (2, 7, "Zeta eta theta iota kappa."),
    ]
    assert all(text[row["start"] : row["end"]] == row["text"] for row in found)
    assert {row["id"] for row in found} == {"b.md"}


def test_instruction_counts_towards_the_limit(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces leave room for the prefix that is put before each."""
    monkeypatch.setenv("SCRIPTED_LIMIT", "5")
    monkeypatch.setenv("EMBEDDING_DOCUMENT_INSTRUCTION", "about cats: ")
    Path("a.txt").write_text("one two three four five six\n")
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    assert [row["text"] for row in rows("out")] == ["one two three", "four five six"]


def test_max_tokens_asks_for_smaller_pieces(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--max-tokens splits where the limit is unknown or larger, and cannot exceed the model's."""
    Path("a.txt").write_text("one two three four\n")
    assert ellmental("embed", "a.txt", "-o", "out", "--max-tokens", "2").code == 0
    assert [row["text"] for row in rows("out")] == ["one two", "three four"]
    monkeypatch.setenv("SCRIPTED_LIMIT", "3")
    ran = ellmental("embed", "a.txt", "-o", "out2", "--max-tokens", "4")
    assert ran.code == 2
    assert "SCRIPTED takes 3 at most" in ran.err


def test_ten_megabyte_text(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single line of 10 MB becomes pieces that together are the line."""
    monkeypatch.setenv("SCRIPTED_LIMIT", "4000")
    text = "Some sentence of seven words is here. " * 265_000
    Path("a.txt").write_text(text)
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    found = rows("out")
    assert len(found) > 450
    assert " ".join(row["text"] for row in found) == text.strip()


def test_says_which_generator_on_stderr_only(ellmental: Run) -> None:
    """Stdout is for data: without --json there is none."""
    Path("a.txt").write_text("one\n")
    ran = ellmental("embed", "a.txt", "-o", "out")
    assert ran.out == ""
    assert "generator: SCRIPTED (words, 256 dimensions)" in ran.err
    assert "1 row from 1 document" in ran.err


def test_json_events(ellmental: Run) -> None:
    """--json prints an event a line: started, progress, each failed row, and the end's counts."""
    Path("a.txt").write_text("one\n\nREFUSE\n")
    ran = ellmental("embed", "a.txt", "-o", "out", "--json")
    events = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 1
    assert events[0]["event"] == "started"
    assert {event["event"] for event in events[1:-1]} == {"progress", "failed"}
    (failure,) = (event for event in events if event["event"] == "failed")
    assert (failure["id"], failure["line"]) == ("a.txt:3", 3)
    assert failure["reason"] == "the service does not like it"
    summary = events[-1]
    assert summary["event"] == "finished"
    assert summary["complete"] is True
    assert (summary["rows"], summary["failed"], summary["blank"]) == (1, 1, 1)
    assert summary["space"]["model"] == "words"


def test_failed_rows_cost_themselves_alone(ellmental: Run) -> None:
    """Bad rows and refused texts are listed with place and reason; all others have vectors."""
    lines = ['"ok one"', '{"text": null}', '"please REFUSE me"', '{"text": "\\ud800"}', '"ok two"']
    Path("d.jsonl").write_text("\n".join(lines))
    ran = ellmental("embed", "d.jsonl", "-o", "out")
    assert ran.code == 1
    assert [row["text"] for row in rows("out")] == ["ok one", "ok two"]
    reasons = {row["line"]: row["reason"] for row in failed("out")}
    assert set(reasons) == {2, 3, 4}
    assert reasons[3] == "the service does not like it"
    assert "failed: d.jsonl:2: no text (null)" in ran.err
    assert "3 failed (all in out/_failed.jsonl)" in ran.err
    assert manifest("out")["complete"] is True
    assert manifest("out")["failed"] == 3


def test_only_the_first_failures_are_printed(ellmental: Run) -> None:
    """A thousand failures are all in the file, and a few on the screen."""
    Path("a.txt").write_text("REFUSE\n" * 1000)
    ran = ellmental("embed", "a.txt", "-o", "out")
    assert ran.code == 1
    assert ran.err.count("failed: ") == 5
    assert len(failed("out")) == 1000


def test_piece_that_fails_says_which(ellmental: Run) -> None:
    """A refused piece is listed with its number and offsets; the document's others are kept."""
    Path("a.txt").write_text("one two REFUSE three four five\n")
    assert ellmental("embed", "a.txt", "-o", "out", "--max-tokens", "2").code == 1
    (row,) = failed("out")
    assert (row["piece"], row["start"], row["end"]) == (1, 8, 20)
    assert [found["piece"] for found in rows("out")] == [0, 2]


def test_no_text_at_all_is_an_error(ellmental: Run) -> None:
    """A file of blank lines gives no dataset, and says why."""
    Path("a.txt").write_text("\n \n")
    ran = ellmental("embed", "a.txt", "-o", "out")
    assert ran.code == 4
    assert "no text in the input: it has no row with one: 2 blank lines." in ran.err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text\n", "there is no text in the input: it has no row."),
        (
            'text\n"never closed\n',
            "it has no row with one: 1 with a quotation mark left open.",
        ),
        ("text,n\n ,1\none\n\n", "it has no row with one: 1 blank, 1 ragged, 1 blank line."),
    ],
)
def test_table_without_a_row_that_can_be_read_ends_the_job(
    ellmental: Run, content: str, said: str
) -> None:
    """No dataset is left of it, and one sentence says what its rows are."""
    Path("a.csv").write_text(content)
    ran = ellmental("embed", "a.csv", "-o", "out")
    assert ran.code == 4
    assert said in ran.err
    assert not Path("out").exists()


def test_input_without_a_text_leaves_the_dataset_of_before(ellmental: Run) -> None:
    """What was embedded from an earlier state of the file is not replaced by nothing."""
    Path("a.csv").write_text("text\none\n")
    assert ellmental("embed", "a.csv", "-o", "out").code == 0
    Path("a.csv").write_text("text\n")
    assert ellmental("embed", "a.csv", "-o", "out").code == 4
    assert [row["text"] for row in rows("out")] == ["one"]
    assert not Path("out.new").exists()


UNUSABLE = (
    ("a.csv", b"id,text\n1,fine\n" + b"2, \n" * 4 + b"ragged\n" * 2 + b"3,caf\xe9\n,no id\n"),
    ("b.jsonl", b'{"id": 1, "text": "x"}\n{"id": 2, "text": null}\n{"id": 3, "text": 7}\n{\n'),
    ("c.csv", b'id,text\n7,REFUSE\n8,"open\n'),
)


def test_failures_are_counted_by_kind(ellmental: Run) -> None:
    """Five are shown; of all there is a count by reason, in embed as in plan."""
    for name, content in UNUSABLE:
        Path(name).write_bytes(content)
    names = [name for name, _ in UNUSABLE]
    kinds = "4 blank, 2 ragged, 1 not UTF-8, 1 without a usable id, 1 without a text, "
    kinds += "1 not a text, 1 not JSON, "
    ran = ellmental("plan", *names, "--id", "id")
    assert ran.err.count("cannot be embedded: ") == 5
    said = f"{kinds}1 with a quotation mark left open"
    assert f"... and 7 more cannot be embedded. All: {said}\n" in ran.err
    ran = ellmental("embed", *names, "--id", "id", "-o", "out")
    assert ran.err.count("failed: ") == 5
    said = f"{kinds}1 refused by the generator, 1 with a quotation mark left open"
    assert f"... and 8 more failed. All: {said}\n" in ran.err


def test_ids_that_stand_twice_are_told_once(ellmental: Run) -> None:
    """How many, and one of them; pieces of one document are no such rows."""
    Path("a.csv").write_text("lang,text\nde,eins\nen,one two three\nde,zwei\nde,drei\n")
    ran = ellmental("embed", "a.csv", "--id", "lang", "--split-tokens", "2", "-o", "out")
    assert ran.code == 0
    said = "warning: 2 rows have the id of a row before, e.g. 'de': a.csv:2 and a.csv:4. "
    assert ran.err.count(said) == ran.err.count("warning") == 1
    ran = ellmental("embed", "a.csv", "--id", "lang", "-o", "again", "--json")
    assert json.loads(ran.out.splitlines()[-1])["repeated_ids"] == 2
    Path("b.csv").write_text("lang,text\nde,eins\nen,one two three\n")
    ran = ellmental("embed", "b.csv", "--id", "lang", "--split-tokens", "2", "-o", "other")
    assert "warning" not in ran.err


def test_bad_input_leaves_nothing_behind(ellmental: Run) -> None:
    """A file that cannot be used ends the command before OUT is there."""
    Path("a.txt").write_text("one\n")
    Path("b.txt").write_bytes(b"caf\xe9\n")
    ran = ellmental("embed", "a.txt", "b.txt", "missing.md", "-o", "out", "--on-bad", "stop")
    assert ran.code == 4
    assert "b.txt: line 1: byte offset 3 (0xe9)" in ran.err
    assert "missing.md does not exist" in ran.err
    assert "Traceback" not in ran.err
    assert not Path("out").exists()


def test_service_that_gives_up_keeps_what_was_paid_for(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that were finished are kept; dataset, message and exit code say it is not whole."""
    monkeypatch.setenv("SCRIPTED_STOP_AFTER", "1000")
    monkeypatch.setenv("EMBEDDING_MAX_CONCURRENCY", "1")
    Path("a.txt").write_text("".join(f"text {number}\n" for number in range(5000)))
    ran = ellmental("embed", "a.txt", "-o", "out")
    assert ran.code == 5
    kept = [row["line"] for row in rows("out")]
    assert kept == sorted(set(kept))
    assert 900 <= len(kept) <= 1000
    assert [row["text"] for row in rows("out")] == [f"text {line - 1}" for line in kept]
    where = f": {len(kept)} in its parts, {1000 - len(kept)} in its journal"
    said = "Stopped: 1,000 rows kept in out, which is incomplete"
    assert f"{said}{where if len(kept) < 1000 else ''}." in ran.err
    assert "Error: the key was withdrawn" in ran.err
    assert manifest("out")["complete"] is False
    assert manifest("out")["reason"] == "the key was withdrawn"
    assert manifest("out")["rows"] == len(kept)


def test_service_that_never_works_leaves_no_out(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing was embedded there is no OUT to stand in the way of the next try."""
    monkeypatch.setenv("SCRIPTED_STOP_AFTER", "0")
    Path("a.txt").write_text("one\n")
    ran = ellmental("embed", "a.txt", "-o", "out")
    assert ran.code == 5  # 1 would say that the job is done, but for some rows
    assert "nothing is kept" in ran.err
    assert not Path("out").exists()


def test_file_that_vanishes_ends_the_job(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is gone when its turn comes is named as an input, not as the output."""
    from ellmental_embeddings_jobs.sources.lines import LinesSource

    monkeypatch.setattr(LinesSource, "check", lambda source: source.path.unlink())
    monkeypatch.setattr(LinesSource, "size", 1)
    Path("a.txt").write_text("one\n")
    ran = ellmental("embed", "a.txt", "-o", "out")
    assert ran.code == 4
    assert "a.txt cannot be read any more: No such file or directory" in ran.err


def test_configuration_error_comes_before_out(ellmental: Run) -> None:
    """A generator that is not installed is exit code 3, and makes no folder."""
    Path("a.txt").write_text("one\n")
    ran = ellmental("embed", "a.txt", "-o", "out", "-g", "NOWHERE")
    assert ran.code == 3
    assert not Path("out").exists()


def test_output_below_a_file_is_an_error(ellmental: Run) -> None:
    """An OUT that cannot be made is exit code 4, with the system's reason."""
    Path("a.txt").write_text("one\n")
    ran = ellmental("embed", "a.txt", "-o", "a.txt/out")
    assert ran.code == 4
    assert "a.txt/out cannot be written" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "out"], "Missing argument 'SOURCE...'"),
        (["a.txt"], "Missing option '-o'"),
        (["a.txt", "-o", "out", "--column", "x"], "--column, --id and --keep are for tables"),
        (["a.txt", "-o", "out", "--split-tokens", "0"], "--split-tokens"),
    ],
)
def test_wrong_usage_is_exit_code_2(ellmental: Run, arguments: list[str], said: str) -> None:
    """Options that make no sense are refused in words."""
    Path("a.txt").write_text("one\n")
    ran = ellmental("embed", *arguments)
    assert ran.code == 2
    assert said in ran.err


def test_help_shows_examples(ellmental: Run) -> None:
    """Each command's help has examples, a line each."""
    for command in ("embed", "search"):
        ran = ellmental(command, "--help")
        assert ran.code == 0
        assert f"\n    ellmental {command} " in ran.out


def test_id_that_is_no_unicode_in_failures(ellmental: Run) -> None:
    """A failed row whose id holds a lone surrogate is still written down."""
    Path("d.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": "\\ud800", "text": "y"}\n')
    assert ellmental("embed", "d.jsonl", "--id", "id", "-o", "out").code == 1
    assert failed("out")[0]["line"] == 2
