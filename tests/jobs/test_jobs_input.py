"""Files in, as the command line takes them: kept columns, overlap, bad rows, databases, stdin."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from ellmental_embeddings_jobs.values import plain_rows, plain_values

if TYPE_CHECKING:
    from .conftest import Run


def table(out: str = "out") -> pa.Table:
    """The dataset without its vectors."""
    return parquet.read_table(out).drop_columns(["vector"])


def events(printed: str) -> dict[str, dict[str, Any]]:
    """The last event of each name."""
    lines = [json.loads(line) for line in printed.splitlines()]
    return {line["event"]: line for line in lines}


def test_kept_columns_land_in_the_dataset(ellmental: Run) -> None:
    """They keep their types, every piece of a document has them, and a resume finds them equal."""
    source = pa.table(
        {
            "body": ["one", "two " * 300, None],
            "day": [dt.date(2024, 5, 1), None, None],
            "at": pa.array([1, 2, 3], pa.timestamp("ns")),
            "tags": [["a"], [], None],
        }
    )
    parquet.write_table(source, "a.parquet")
    command = ["embed", "a.parquet", "--column", "body", "--keep", "day,at", "--keep", "tags"]
    command += ["--split-tokens", "100", "-o", "out", "--json"]
    assert ellmental(*command).code == 1  # the null
    found = table()
    assert [str(found.schema.field(name).type) for name in ("day", "at", "tags")] == [
        "date32[day]",
        "timestamp[ns]",
        "list<element: string>",
    ]
    assert found["day"].to_pylist()[:2] == [dt.date(2024, 5, 1), None]
    assert found["at"].cast(pa.int64()).to_pylist() == [1] + [2] * (len(found) - 1)
    assert len(found) > 3
    again = ellmental(*command)
    assert "Nothing to do" in again.err
    parquet.write_table(
        source.set_column(1, "day", [[dt.date(2025, 1, 1), None, None]]), "a.parquet"
    )
    finished = events(ellmental(*command).out)["finished"]
    assert finished["known"] == len(found)
    assert table()["day"].to_pylist()[0] == dt.date(2025, 1, 1)


@pytest.mark.parametrize("name", ["id", "text", "vector"])
def test_kept_name_that_is_taken_is_refused(ellmental: Run, name: str) -> None:
    """A column of the dataset's own name cannot be kept."""
    Path("a.csv").write_text("id,text,vector\n1,x,y\n")
    ran = ellmental("embed", "a.csv", "--keep", name, "-o", "out")
    assert ran.code == 2
    assert f"--keep {name}" in ran.err


def test_kept_type_that_parquet_does_not_know_is_refused(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is sent: no part could ever be written."""
    monkeypatch.setenv("SCRIPTED_STOP_AFTER", "0")
    months = pa.array([(1, 2, 3)], pa.month_day_nano_interval())
    source = pa.table({"text": ["one"], "months": months})
    with pa.OSFile("a.arrow", "wb") as file, pa.ipc.new_file(file, source.schema) as writer:
        writer.write_table(source)
    ran = ellmental("embed", "a.arrow", "--keep", "months", "-o", "out")
    assert ran.code == 4
    assert "--keep months: Parquet cannot hold it: " in ran.err
    assert not Path("out").exists()


def test_times_to_the_nanosecond_need_no_pandas() -> None:
    """At any depth they are numbers that Arrow takes back, and are shown to the microsecond."""
    time = pa.timestamp("ns", "UTC")
    kinds = {
        "plain": time,
        "duration": pa.duration("ns"),
        "list": pa.list_(time),
        "two": pa.list_(pa.time64("ns"), 2),
        "deep": pa.large_list(pa.struct([("at", time), ("name", pa.string())])),
        "map": pa.map_(pa.string(), time),
    }
    values = {
        "plain": [1, 1_500_000_000_000_001_001],
        "duration": [1, 2_001],
        "list": [[2_001], None],
        "two": [[1, 2_001], None],
        "deep": [[{"at": 2_001, "name": "x"}], None],
        "map": [[("a", 2_001)], None],
    }
    columns = {name: pa.array(values[name], kind) for name, kind in kinds.items()}
    for name, column in columns.items():
        assert plain_values(column) == values[name]
    rows = plain_rows(pa.table(columns))
    at = dt.datetime(1970, 1, 1, 0, 0, 0, 2, dt.UTC)
    assert rows[1]["plain"] == dt.datetime(2017, 7, 14, 2, 40, 0, 1, dt.UTC)
    assert type(rows[0]["plain"]) is dt.datetime
    assert rows[1]["duration"] == dt.timedelta(microseconds=2)
    assert rows[0]["list"] == [at]
    assert rows[0]["two"] == [dt.time(0), dt.time(0, 0, 0, 2)]
    assert rows[0]["deep"] == [{"at": at, "name": "x"}]
    assert rows[0]["map"] == [("a", at)]


def test_not_a_number_within_a_list_is_no_change(ellmental: Run) -> None:
    """A kept list that holds NaN is what it was: there is nothing to do."""
    kind = pa.list_(pa.struct([("x", pa.float64())]))
    values = pa.array([[{"x": float("nan")}], [{"x": 1.0}]], kind)
    parquet.write_table(pa.table({"text": ["one", "two"], "some": values}), "a.parquet")
    assert ellmental("embed", "a.parquet", "--keep", "some", "-o", "out").code == 0
    assert "Nothing to do" in ellmental("embed", "a.parquet", "--keep", "some", "-o", "out").err


def test_files_of_the_output_are_no_input(ellmental: Run) -> None:
    """A pattern that leads into OUT embeds no row of it again; named itself, it is refused."""
    Path("a.jsonl").write_text('{"text": "one"}\n{"text": "REFUSE"}\n')
    for _ in range(2):
        ran = ellmental("embed", "**/*.jsonl", "-o", "out")
        assert (ran.code, table()["source"].to_pylist()) == (1, ["a.jsonl"])
    assert "note: 1 file of the output itself: passed over" in ran.err
    assert "Nothing to do" in ran.err
    ran = ellmental("embed", "out/part-00000.parquet", "-o", "out")
    assert ran.code == 4
    assert "out/part-00000.parquet is a file of the output: it cannot be its input." in ran.err


def test_overlap_makes_pieces_that_know_their_place(ellmental: Run) -> None:
    """Rows are the document's text from start to end and overlap; another overlap is refused."""
    words = [f"word{n}" for n in range(200)]
    lines = [" ".join(words[start : start + 10]) for start in range(0, 200, 10)]
    Path("a.txt").write_text("\n".join(lines))
    command = ["embed", "a.txt", "-o", "out", "--per-file", "--split-tokens", "60"]
    assert ellmental(*command, "--overlap", "12").code == 0
    rows = table().to_pylist()
    whole = Path("a.txt").read_text()
    assert all(whole[row["start"] : row["end"]] == row["text"] for row in rows)
    assert [row["piece"] for row in rows] == list(range(len(rows)))
    assert all(a["end"] > b["start"] for a, b in pairwise(rows))
    assert [row["line"] for row in rows] == [whole[: row["start"]].count("\n") + 1 for row in rows]
    assert len(rows) == 5
    refused = ellmental(*command, "--overlap", "11")
    assert refused.code == 4
    assert "--overlap: 12 there, 11 now" in refused.err
    assert ellmental(*command, "--overlap", "31").code == 2


def test_skip_lists_what_cannot_be_read_and_stop_ends_before(ellmental: Run) -> None:
    """Every kind of bad input is listed with file and line and counted; stop sends nothing."""
    Path("a.csv").write_bytes(b"text,n\ngood,1\nragged\ncaf\xe9,2\n,3\nlast,4\n")
    Path("b.csv").write_text("body\nx\n")
    ran = ellmental("embed", "a.csv", "b.csv", "-o", "out")
    assert ran.code == 1
    assert table()["text"].to_pylist() == ["good", "last"]
    failed = [json.loads(line) for line in Path("out/_failed.jsonl").read_text().splitlines()]
    assert [(one["source"], one["line"]) for one in failed] == [
        ("a.csv", 3),
        ("a.csv", 4),
        ("a.csv", 5),
        ("b.csv", 1),
    ]
    assert "failed: a.csv:4: " in ran.err
    assert "4 failed" in ran.err
    stopped = ellmental("embed", "a.csv", "-o", "other", "--on-bad", "stop")
    assert stopped.code == 4
    assert "a.csv: line 3: 1 field where the header has 2" in stopped.err
    assert not Path("other").exists()


def test_stop_ends_a_pipe_at_its_first_bad_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input cannot be read before: what came before the bad line is kept."""
    monkeypatch.setenv("BATCH_SIZE", "1")
    good = [f"good {n}" for n in range(2000)]
    lines = "".join(json.dumps(text) + "\n" for text in good).encode()
    command = [sys.executable, "-m", "scripted_main", "embed", "-", "-o", "out"]
    command += ["--on-bad", "stop", "--format", "jsonl"]
    ran = subprocess.run(
        command, input=lines + b'{"text": 5}\n', capture_output=True, timeout=60, check=False
    )
    assert ran.returncode == 5
    assert b"stdin: line 2001: not a text but int: 5" in ran.stderr
    assert b"The same command, given the same input again, goes on from there" in ran.stderr
    fixed = subprocess.run(
        command, input=lines + b'"mended"\n', capture_output=True, timeout=60, check=False
    )
    assert fixed.returncode == 0
    assert table()["text"].to_pylist() == [*good, "mended"]


def test_database_rows_resume_and_update(ellmental: Run) -> None:
    """A query is a source like any other: unchanged nothing is sent, changed only what is new."""
    with closing(sqlite3.connect("shop.db")) as base:
        base.execute("create table r (id integer primary key, t text)")
        base.executemany("insert into r values (?, ?)", [(1, "one"), (2, "two")])
        base.commit()
    query = "select id, t as text from r order by id"
    command = ["embed", "shop.db", "--query", query, "--id", "id", "-o", "out"]
    assert ellmental(*command).code == 0
    assert "Nothing to do" in ellmental(*command).err
    with closing(sqlite3.connect("shop.db")) as base:
        base.execute("insert into r values (3, 'three')")
        base.commit()
    assert events(ellmental(*command, "--json").out)["finished"]["known"] == 2
    assert table()["id"].to_pylist() == ["1", "2", "3"]
    other = ellmental(*command[:3], query + " limit 1", *command[4:])
    assert other.code == 4
    assert "--query" in other.err
    assert ellmental("embed", "shop.db", "-o", "none").code == 4
    Path("a.txt").write_text("x\n")
    assert ellmental("embed", "a.txt", "--query", query, "-o", "none").code == 2


def test_pattern_of_packed_files(ellmental: Run) -> None:
    """A quoted pattern is expanded here; the order is the names' order; plan reads the same."""
    for name in ("b", "a"):
        Path(f"{name}.csv.gz").write_bytes(gzip.compress(f"text\nof {name}\n".encode()))
    assert ellmental("embed", "*.csv.gz", "-o", "out").code == 0
    assert table()["text"].to_pylist() == ["of a", "of b"]
    plan = ellmental("plan", "*.csv.gz", "--json")
    assert json.loads(plan.out)["texts"] == 2
