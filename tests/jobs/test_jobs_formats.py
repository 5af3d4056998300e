"""More formats in: packed files, TSV, Arrow, databases, patterns, kept columns."""

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from ellmental_embeddings_jobs.document import Document, Failure
from ellmental_embeddings_jobs.errors import FilesError
from ellmental_embeddings_jobs.sources import Columns, Opened, Reading, open_sources

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENTS = {
    "txt": "one\ntwo\n",
    "csv": "text,n\none,1\ntwo,2\n",
    "tsv": 'text\tn\none\t1\n"two"\t2\n',
    "jsonl": '{"text": "one"}\n{"text": "two"}\n',
}


def zstd(content: bytes) -> bytes:
    """Two frames of zstd, one behind the other, as ``cat a.zst b.zst`` makes them."""
    half = len(content) // 2
    return b"".join(
        pa.compress(some, codec="zstd", asbytes=True) for some in (content[:half], content[half:])
    )


PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstd}


def opened(*names: str, **options: Any) -> Opened:
    """Sources, checked."""
    columns = {name: options.pop(name) for name in ("text", "id", "keep") if name in options}
    return open_sources(names, Reading(columns=Columns(**columns), **options))


def documents(*names: str, **options: Any) -> list[Document]:
    """All documents of some sources; nothing in them fails."""
    sources = opened(*names, **options)
    sources.kept_fields()
    found = [item for source in sources for item in source.read()]
    assert not [item for item in found if isinstance(item, Failure)]
    return [item for item in found if isinstance(item, Document)]


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("kind", CONTENTS)
def test_packed_files_are_read_as_they_are(kind: str, packed: str) -> None:
    """Every line format is read from gzip and zstd."""
    path = Path(f"a.{kind}{packed}")
    path.write_bytes(PACKERS[packed](CONTENTS[kind].encode()))
    assert [(item.text, item.source) for item in documents(path.name)] == [
        ("one", path.name),
        ("two", path.name),
    ]


@pytest.mark.parametrize("packed", PACKERS)
def test_progress_counts_packed_bytes(packed: str) -> None:
    """The sizes of a packed file's rows add up to the file's own."""
    path = Path("a.csv" + packed)
    path.write_bytes(PACKERS[packed](b"text\n" + b"".join(b"%d\n" % n**9 for n in range(99_999))))
    (source,) = opened(path.name)
    sizes = [item.size for item in source.read()]
    assert len(sizes) == 99_999
    assert 0.5 * path.stat().st_size < sum(sizes) <= path.stat().st_size


@pytest.mark.parametrize("packed", PACKERS)
def test_packed_file_that_is_cut_off_is_damaged(packed: str) -> None:
    """Half of a packed file is an error that names it, never a shorter file."""
    whole = PACKERS[packed]("".join(f"line {n} {n * n}\n" for n in range(50_000)).encode())
    Path("a.txt" + packed).write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(FilesError, match=rf"a\.txt\{packed} is damaged, it cannot be unpacked"):
        documents("a.txt" + packed)


def test_file_that_only_ends_in_gz_is_damaged() -> None:
    """The ending is not believed."""
    Path("a.txt.gz").write_text("plain\n")
    with pytest.raises(FilesError, match="cannot be unpacked"):
        opened("a.txt.gz")


def test_packed_bomb_is_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line of 300 MB in 300 KB costs no more memory than a line may have."""
    import tracemalloc

    from ellmental_embeddings_jobs.sources import utf8

    monkeypatch.setattr(utf8, "MAX_TEXT", 1 << 20)
    with gzip.open("a.txt.gz", "wb", compresslevel=1) as stream:
        for _ in range(50):
            stream.write(b"x" * (1 << 20))
    tracemalloc.start()
    try:
        (item,) = [item for source in opened("a.txt.gz") for item in source.read()]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(item, Failure)
    assert "a line of 52,428,800 bytes" in item.reason
    assert peak < 10 << 20


def test_parquet_is_not_unpacked_twice() -> None:
    """A packed Parquet file is refused with what to do."""
    Path("a.parquet.gz").write_bytes(gzip.compress(b"PAR1"))
    with pytest.raises(FilesError, match="Unpack it first"):
        opened("a.parquet.gz")


def test_per_file_makes_one_document_of_a_text_file() -> None:
    """With ``per_file`` a .txt is one text with its lines, and fails as a whole."""
    Path("a.txt").write_text("one\n\ntwo\n")
    Path("b.txt").write_bytes(b"fine\n\xff\n")
    found = [item for source in opened("a.txt", "b.txt", per_file=True) for item in source.read()]
    assert [(item.id, item.text) for item in found if isinstance(item, Document)] == [
        ("a.txt", "one\n\ntwo\n")
    ]
    (failure,) = [item for item in found if isinstance(item, Failure)]
    assert (failure.id, failure.line) == ("b.txt", 2)
    assert "byte offset 5 (0xff): not UTF-8" in failure.reason


TABLE = pa.table({"text": ["one", None, "three"], "n": [4, 5, 6]})


def write_stream(path: str) -> None:
    """An Arrow stream of three batches."""
    with pa.ipc.new_stream(path, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=1)


def write_feather(path: str) -> None:
    """An Arrow file, packed within."""
    feather.write_feather(TABLE, path, compression="zstd")


@pytest.mark.parametrize(
    ("name", "write"), [("a.arrow", write_stream), ("a.feather", write_feather)]
)
def test_arrow_files_and_streams(name: str, write: Callable[[str], None]) -> None:
    """Both of Arrow's formats are told apart by their bytes; a null fails alone, by its row."""
    write(name)
    found = [item for source in opened(name, id="n") for item in source.read()]
    texts = [(item.id, item.text, item.line) for item in found if isinstance(item, Document)]
    assert texts == [("4", "one", 1), ("6", "three", 3)]
    assert [item.line for item in found if isinstance(item, Failure)] == [2]


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("packing", [None, "zstd"])
def test_a_huge_record_batch_is_mapped(kind: str, packing: str | None) -> None:
    """Arrow allocates nothing for a batch that is not packed; for one that is, all of it."""
    texts = pa.array([f"text {number} " + "x" * 1000 for number in range(10_000)])
    batch = pa.record_batch({"text": texts})
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    options = pa.ipc.IpcWriteOptions(compression=packing)
    with pa.OSFile("a.arrow", "wb") as file, new(file, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    size = batch.nbytes
    del texts, batch
    (source,) = opened("a.arrow")
    before, most, found = pa.total_allocated_bytes(), 0, 0
    for item in source.read():
        assert isinstance(item, Document)
        assert item.text.startswith(f"text {found} xx")
        found += 1
        most = max(most, pa.total_allocated_bytes() - before)
    assert found == 10_000
    assert most < size / 100 if packing is None else most >= size


def test_arrow_that_is_cut_off_is_damaged() -> None:
    """A stream that ends in the middle of a batch is an error, not an end."""
    write_stream("a.arrows")
    Path("b.arrows").write_bytes(Path("a.arrows").read_bytes()[:-150])
    with pytest.raises(FilesError, match=r"b\.arrows is damaged"):
        [item for source in opened("b.arrows") for item in source.read()]
    Path("c.arrow").write_bytes(b"text\nno arrow\n")
    with pytest.raises(FilesError, match=r"c\.arrow is no Arrow file"):
        opened("c.arrow")


def make_database(name: str = "shop.db") -> str:
    """A SQLite database of three reviews, one of them without text."""
    with closing(sqlite3.connect(name)) as base:
        base.execute("create table reviews (id integer primary key, body text, stars)")
        rows = [(7, "good", 5), (8, None, 1), (9, "bad", 1.5)]
        base.executemany("insert into reviews values (?, ?, ?)", rows)
        base.commit()
    return name


QUERY = "select id, body as text, stars from reviews order by id"


def test_sqlite_is_read_by_query() -> None:
    """Rows, ids and kept columns come from the query; a null text fails by its row."""
    sources = opened(make_database(), query=QUERY, id="id", keep=("stars",))
    assert sources.kept_fields() == [pa.field("stars", pa.float64())]
    found = [item for source in sources for item in source.read()]
    rows = [(item.id, item.text, item.kept) for item in found if isinstance(item, Document)]
    assert rows == [("7", "good", {"stars": 5.0}), ("9", "bad", {"stars": 1.5})]
    assert [item.line for item in found if isinstance(item, Failure)] == [2]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (None, "Its tables: reviews"),
        ("select x from reviews", "no such column: x"),
        ("select id from reviews", "no column 'text'. Its columns: 'id'"),
        ("delete from reviews", "readonly"),
        ("select body as text from reviews where id = 0", "gives no rows"),
        ("select 1; select 2", "one statement"),
    ],
)
def test_sqlite_query_that_cannot_be_used(query: str | None, said: str) -> None:
    """The message names the database and what is wrong, and nothing is written."""
    make_database()
    before = Path("shop.db").read_bytes()
    with pytest.raises(FilesError) as caught:
        opened("shop.db", query=query)
    assert "shop.db" in caught.value.message
    assert said in caught.value.message
    assert Path("shop.db").read_bytes() == before


def test_duckdb_is_read_by_query() -> None:
    """A DuckDB file is known by its first bytes, whatever its ending; its types are kept."""
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    with duckdb.connect("shop.db") as base:
        base.execute("create table r as select 7 as id, 'good' as text, date '2024-05-01' as d")
    sources = opened("shop.db", query="select * from r", id="id", keep=("d",))
    assert sources.kept_fields() == [pa.field("d", pa.date32())]
    (item,) = [item for source in sources for item in source.read()]
    assert isinstance(item, Document)
    assert (item.id, item.kept) == ("7", {"d": dt.date(2024, 5, 1)})
    for query, said in [(None, "Its tables: r"), ("select x from r", "x"), ("drop table r", "r")]:
        with pytest.raises(FilesError, match=said):
            opened("shop.db", query=query)


def test_patterns_find_files_at_any_depth() -> None:
    """A pattern gives the files it matches, sorted, hidden ones and unknown formats left out."""
    for name in ("d/b.csv", "d/x/a.csv", "d/x/.c.csv", "d/pic.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("text\nof " + name + "\n")
    assert [item.text for item in documents("d/**/*.csv")] == ["of d/b.csv", "of d/x/a.csv"]
    assert "d/pic.png: its format is not known, passed over" in opened("d/**").notes
    with pytest.raises(FilesError, match="no file that can be read matches"):
        opened("d/**/*.tsv")
    Path("[odd].txt").write_text("literally\n")
    assert [item.text for item in documents("[odd].txt")] == ["literally"]


def test_format_wins_over_the_ending() -> None:
    """``format`` says how a file is read whose ending says nothing, or the wrong thing."""
    Path("dump").write_text('{"text": "one"}\n')
    assert [item.text for item in documents("dump", format="jsonl")] == ["one"]


def test_bad_files_are_skipped_or_stop() -> None:
    """A file without the column is one failure beside good ones; alone, or with stop, an error."""
    Path("a.csv").write_text("text\ngood\n")
    Path("b.csv").write_text("body\nx\n")
    found = [item for source in opened("a.csv", "b.csv") for item in source.read()]
    assert [item.text for item in found if isinstance(item, Document)] == ["good"]
    (failure,) = [item for item in found if isinstance(item, Failure)]
    assert failure.source == "b.csv"
    assert "no column 'text'" in failure.reason
    with pytest.raises(FilesError, match="no column 'text'"):
        opened("b.csv")
    with pytest.raises(FilesError, match="no column 'text'"):
        opened("a.csv", "b.csv", on_bad="stop")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "text,n\nx,1\ny\n", "a.csv: line 3: 1 field where the header has 2"),
        ("a.jsonl", '"x"\n{"text": null}\n', "a.jsonl: line 2: no text (null)"),
        ("a.txt", b"x\n\xff\n", "a.txt: line 2: byte offset 2 (0xff): not UTF-8"),
    ],
)
def test_stop_names_the_first_bad_row(name: str, content: str | bytes, said: str) -> None:
    """With ``stop`` all files are read before anything is sent."""
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FilesError) as caught:
        opened(name, on_bad="stop")
    assert said in caught.value.message


KEPT = {
    "price": pa.array([decimal.Decimal("1.20"), None], pa.decimal128(9, 2)),
    "at": pa.array([1, 2], pa.timestamp("ns", "UTC")),
    "day": pa.array([dt.date(2024, 5, 1), None]),
    "tags": pa.array([["a", "b"], None]),
    "box": pa.array([{"w": 1}, {"w": None}]),
    "score": pa.array([0.1, float("nan")], pa.float32()),
    "raw": pa.array([b"\0\xff", b""]),
}


def test_kept_columns_keep_their_arrow_types() -> None:
    """Whatever Parquet holds comes out of a document such that Arrow builds the same column."""
    parquet.write_table(pa.table({"text": ["one", "two"], **KEPT}), "a.parquet")
    sources = opened("a.parquet", keep=tuple(KEPT))
    fields = sources.kept_fields()
    assert [item.type for item in fields] == [column.type for column in KEPT.values()]
    found = [item for source in sources for item in source.read() if isinstance(item, Document)]
    for item, column in zip(fields, KEPT.values(), strict=True):
        again = pa.array([document.kept[item.name] for document in found], item.type)
        assert again.to_string() == column.to_string()


@pytest.mark.parametrize(
    ("values", "kind", "kept"),
    [
        (["1", "2"], pa.int64(), [1, 2]),
        (["1", "2.5", "null"], pa.float64(), [1.0, 2.5, None]),
        (["1", '"a"'], pa.string(), ["1", "a"]),
        (['{"a": 1}', "[1, {}]"], pa.string(), ['{"a": 1}', "[1, {}]"]),
        (['["a"]', "[]"], pa.list_(pa.string()), [["a"], []]),
        (["true", "false"], pa.bool_(), [True, False]),
        (["null"], pa.string(), [None]),
        (['"\\ud800"'], pa.string(), ["?"]),
        (["99999999999999999999", "1"], pa.string(), ["99999999999999999999", "1"]),
    ],
)
def test_json_types_hold_every_value(values: list[str], kind: pa.DataType, kept: list[Any]) -> None:
    """JSON's columns get the type that holds all of the file's values; no value is lost."""
    # The first of them stands a thousand times: what comes later counts as well.
    many = [values[0]] * 1000 + values
    Path("a.jsonl").write_text("".join(f'{{"text": "x", "v": {value}}}\n' for value in many))
    sources = opened("a.jsonl", keep=("v",))
    assert sources.kept_fields() == [pa.field("v", kind)]
    found = [item.kept["v"] for item in documents("a.jsonl", keep=("v",))]
    assert found[1000:] == kept
    assert pa.array(found, kind).to_pylist() == found


def test_kept_columns_of_several_sources_get_one_type() -> None:
    """Numbers of two files are unified; a file without columns has nulls; else it is an error."""
    Path("a.jsonl").write_text(json.dumps({"text": "x", "n": 1}) + "\n")
    parquet.write_table(pa.table({"text": ["y"], "n": [1.5]}), "b.parquet")
    Path("c.txt").write_text("z\n")
    found = documents("a.jsonl", "b.parquet", "c.txt", keep=("n",))
    assert [item.kept["n"] for item in found] == [1.0, 1.5, None]
    Path("d.csv").write_text("text,n\nw,1\n")
    with pytest.raises(FilesError, match=r"d\.csv: a column to keep has another type"):
        documents("a.jsonl", "d.csv", keep=("n",))
