"""``--keep`` and then ``--where``: columns of every type, from the file to the answer."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from ellmental_embeddings_jobs.dataset import open_dataset
from ellmental_embeddings_jobs.wanted import rows_where

if TYPE_CHECKING:
    from tests.jobs.conftest import Run

BIG = 2**64 - 1
COLUMNS: dict[str, Any] = {
    "text": pa.array(["red apple", "green apple", "blue sky", "grey sea"]),
    "lang": pa.array(["de", "it's", None, "en"]),
    "large": pa.array(["de", "en", None, "x"], pa.large_string()),
    "view": pa.array(["de", "en", None, "x"], pa.string_view()),
    "folded": pa.array(["de", "en", None, "x"]).dictionary_encode(),
    "n": pa.array([1, 2, None, -3], pa.int64()),
    "tiny": pa.array([1, 2, None, -3], pa.int8()),
    "big": pa.array([1, 2, None, BIG], pa.uint64()),
    "f": pa.array([0.5, float("nan"), None, float("inf")], pa.float64()),
    "f32": pa.array([0.1, 1.5, None, 2.5], pa.float32()),
    "f16": pa.array([0.5, 1.5, None, 2.5], pa.float16()),
    "good": pa.array([True, False, None, True]),
    "day": pa.array([date(2024, 1, 1), date(2024, 5, 1), None, date(2025, 1, 1)]),
    "at": pa.array([datetime(2024, 1, 1, 12), datetime(2024, 5, 1), None, datetime(2025, 1, 1)]),  # noqa: DTZ001 - a column without a zone
    "zoned": pa.array([0, 3_600_000, None, 7_200_000], pa.timestamp("ms", "Europe/Berlin")),
    "nano": pa.array([1, 2, None, 10**18], pa.timestamp("ns")),
    "hour": pa.array([time(12), time(13), None, time(14)]),
    "price": pa.array([Decimal("1.50"), Decimal("2.50"), None, Decimal(-1)], pa.decimal128(10, 2)),
    "span": pa.array([1, 2, None, 3], pa.duration("s")),
    "none": pa.nulls(4),
    "bytes": pa.array([b"a", b"\xff", None, b""]),
    "list": pa.array([["a"], [], None, ["b", "c"]]),
    "two words": pa.array(["a", "b", "c", "d"]),
    'quo"te': pa.array([1, 2, 3, 4]),
    "größe": pa.array([1, 2, 3, 4]),
    "and": pa.array([1, 2, 3, 4]),
    "a.b": pa.array([1, 2, 3, 4]),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one dataset with all columns is kept for all tests; made by the first one."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def out(ellmental: Run, kept: Path) -> Path:
    """That dataset."""
    if not (kept / "out").exists():
        parquet.write_table(pa.table(COLUMNS), "a.parquet")
        keep = [part for name in COLUMNS if name != "text" for part in ("--keep", name)]
        assert ellmental("embed", "a.parquet", "-o", kept / "out", *keep).code == 0
    return kept / "out"


def matching(out: Path, condition: str) -> list[int]:
    """Lines of the rows that fulfil a condition."""
    return [line + 1 for line in rows_where(open_dataset(out), condition).nonzero()[0].tolist()]


@pytest.mark.parametrize(
    ("condition", "lines"),
    [
        ("lang = 'it''s'", [2]),
        ("lang LIKE '_e'", [1]),
        ("lang NOT IN ('de', 'en')", [2]),
        ("large <> 'de' AND view = 'x' AND folded LIKE 'x%'", [4]),
        ("view IN ('de', 'x')", [1, 4]),
        ("n < 2", [1, 4]),
        ("n = 1.0", [1]),
        ("n = 1.5", []),
        ("n <> 1.5", [1, 2, 4]),
        ("n > 1.5", [2]),
        ("n <= -2.5", [4]),
        ("n < 99999999999999999999", [1, 2, 4]),
        ("NOT n < 99999999999999999999", []),
        ("n = -9223372036854775809", []),
        ("n >= -1e400", [1, 2, 4]),
        ("tiny > 1000", []),
        ("tiny <> 1000", [1, 2, 4]),
        ("big > 5", [4]),
        (f"big = {BIG}", [4]),
        (f"big < {BIG + 1} and big > -1", [1, 2, 4]),
        ("f > 0.5", [4]),
        ("f32 = 0.1", [1]),
        ("f16 >= 1.5", [2, 4]),
        ("good = TRUE", [1, 4]),
        ("good <> true", [2]),
        ("day = '2024-01-01'", [1]),
        ("day > '2024-04-30' AND at < '2024-05-01 00:00:01'", [2]),
        ("at = '2024-01-01T12:00'", [1]),
        ("zoned = '1970-01-01 02:00:00'", [2]),
        ("zoned = '1970-01-01T01:00:00Z'", [2]),
        ("nano > '2000-01-01'", [4]),
        ("hour > '12:59:59'", [2, 4]),
        ("price > 1", [1, 2]),
        ("price = 1.5", [1]),
        ("price < 1.505", [1, 4]),
        ("none IS NULL AND span IS NOT NULL", [1, 2, 4]),
        ("none = 'x'", []),
        ("bytes IS NULL OR list IS NULL", [3]),
        ("\"two words\" = 'a'", [1]),
        ('"quo""te" = 2 OR größe = 3 OR "and" = 4 OR "a.b" = 4', [2, 3, 4]),
        ("line = 2 AND text LIKE 'green%'", [2]),
    ],
)
def test_conditions_on_kept_columns(out: Path, condition: str, lines: list[int]) -> None:
    """Values of any type and size are compared as SQL would; NULL fulfils nothing, nor its NOT."""
    assert matching(out, condition) == lines


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("gone = 1", "there is no column 'gone'. Columns: id, text, source,"),
        ("Lang = 'de'", "there is no column 'Lang'. Columns: "),
        ("two words = 'a'", '"two words", "quo""te", größe, "and", "a.b".'),
        ("and = 1", "expected the name of a column at 'and = 1'"),
        ("vector = 1", "there is no column 'vector'"),
        ("lang = 5", "5: it is text (a CSV file has nothing else): give a text in single quotes"),
        ("n = '5'", "the column n cannot be compared with '5': give a number"),
        ("f = TRUE", "the column f cannot be compared with TRUE: give a number"),
        ("good = 1", "cannot be compared with 1: give TRUE or FALSE"),
        ("day = '2024'", "give a date, e.g. '2026-12-31'"),
        ("at > 5", "give a time, e.g. '2026-12-31 23:59:00'"),
        ("hour = 'noon'", "give a time of day, e.g. '23:59:00'"),
        ("list = 'a'", "only IS NULL and IS NOT NULL can be asked"),
        ("bytes = 'a'", "only IS NULL and IS NOT NULL can be asked"),
        ("n = NULL", "nothing is equal to NULL. Ask with IS NULL."),
        ("n LIKE '1%'", "n is no column of texts (int64): not for LIKE"),
        ("lang LIKE 5", "lang LIKE needs a text"),
    ],
)
def test_a_column_or_value_that_does_not_fit_is_told(
    ellmental: Run, out: Path, condition: str, said: str
) -> None:
    """A missing column and a wrong type are wrong usage, with what would do; nothing is printed."""
    ran = ellmental("search", out, "apple", "--where", condition)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_json_holds_kept_columns_as_json_has_them(ellmental: Run, out: Path) -> None:
    """Every type has a JSON form that any language reads; more rows than there are is no error."""

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    ran = ellmental("search", out, "apple", "--json", "-k", 99, "--where", "n IS NOT NULL")
    found = json.loads(ran.out, parse_constant=refuse)
    assert (found["matching"], found["rows"]) == (3, 4)
    rows = {row["line"]: row for row in found["results"]}
    assert sorted(rows) == [1, 2, 4]
    wanted: dict[str, object] = {
        "lang": "de",
        "n": 1,
        "good": True,
        "day": "2024-01-01",
        "at": "2024-01-01T12:00:00",
        "zoned": "1970-01-01T01:00:00+01:00",
        "hour": "12:00:00",
        "price": "1.50",
        "span": "0:00:01",
        "none": None,
        "bytes": "YQ==",
        "list": ["a"],
        "two words": "a",
        'quo"te': 1,
    }
    assert {name: rows[1][name] for name in wanted} == wanted
    assert rows[4]["big"] == BIG
    assert (rows[2]["f"], rows[4]["f"]) == (None, None)  # NaN and infinity


def test_columns_of_untyped_formats(ellmental: Run) -> None:
    """CSV keeps texts, an empty cell an empty one; JSON Lines keeps numbers and missing values."""
    Path("a.csv").write_text('text,n,"a ""b"""\nx,5,q\ny,,\n')
    assert ellmental("embed", "a.csv", "-o", "csv", "--keep", 'n,a "b"').code == 0
    assert matching(Path("csv"), 'n = \'5\' AND "a ""b""" = \'q\'') == [1]
    assert matching(Path("csv"), "n = ''") == [2]
    Path("a.jsonl").write_text('{"text": "x", "n": 1, "m": 1}\n{"text": "y", "n": 2.5, "m": "a"}\n')
    assert ellmental("embed", "a.jsonl", "-o", "jsonl", "--keep", "n,m").code == 0
    assert matching(Path("jsonl"), "n > 1 OR m = '1'") == [1, 2]
