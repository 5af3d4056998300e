"""What is behind ``ellmental search``: exact neighbours, the search file, ``--where``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from click import UsageError
from hypothesis import given, settings
from hypothesis import strategies as st

from ellmental_embeddings_jobs import search_file
from ellmental_embeddings_jobs.dataset import open_dataset
from ellmental_embeddings_jobs.filters import parse_filter
from ellmental_embeddings_jobs.nearest import nearest, unit

if TYPE_CHECKING:
    from tests.jobs.conftest import Run

ROWS = [
    {"lang": "de", "year": 2019, "score": 0.5, "new": True, "day": 18000},
    {"lang": "de", "year": 2021, "score": 1.5, "new": False, "day": 18500},
    {"lang": "en", "year": 2022, "score": None, "new": True, "day": 19000},
    {"lang": None, "year": 2023, "score": 2.5, "new": None, "day": 19500},
    {"lang": "it's", "year": -3, "score": -1e-3, "new": False, "day": 20000},
]
TABLE = pa.Table.from_pylist(
    ROWS,
    schema=pa.schema(
        [
            ("lang", pa.string()),
            ("year", pa.int32()),
            ("score", pa.float64()),
            ("new", pa.bool_()),
            ("day", pa.date32()),
        ]
    ),
)


# Neighbours


@given(
    blocks=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    k=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([None, 0.05, 0.6]),
)
@settings(deadline=None)
def test_nearest_is_exact(blocks: list[int], k: int, seed: int, share: float | None) -> None:
    """Block by block or all at once, the same rows are found, earlier ones first among equals."""
    random = np.random.default_rng(seed)
    vectors = random.integers(-1, 2, (sum(blocks), 4)).astype(np.float32)
    question = random.integers(-1, 2, 4).astype(np.float32)
    wanted = None if share is None else random.random(len(vectors)) < share
    starts = np.cumsum([0, *blocks])
    units = unit(vectors)
    found = nearest(
        (
            (int(first), units[first : first + rows])
            for first, rows in zip(starts[:-1], blocks, strict=True)
        ),
        question,
        k,
        wanted,
    )
    expected = []
    for row, vector in enumerate(vectors):
        lengths = float(np.linalg.norm(vector) * np.linalg.norm(question))
        score = float(vector @ question) / lengths if lengths else 0.0
        if wanted is None or wanted[row]:
            expected.append((-round(score, 4), row))
    assert [(-round(hit.score, 4), hit.row) for hit in found] == sorted(expected)[:k]


@pytest.mark.parametrize("scale", [1e-42, 1e-25, 1.0, 1e25, 1e38])
def test_lengths_beyond_what_squares_can_hold(scale: float) -> None:
    """Tiny and huge vectors have length 1 as well; zeros and missing ones stay."""
    rows = np.float32(scale) * np.array([[3, 2, 1], [-2, 0, 2], [0, 0, 0]], np.float32)
    units = unit(np.vstack([rows, np.full((1, 3), np.nan, np.float32)]))
    expected = [[3 / 14**0.5, 2 / 14**0.5, 1 / 14**0.5], [-(0.5**0.5), 0, 0.5**0.5], [0, 0, 0]]
    assert units[:3] == pytest.approx(np.array(expected), abs=0.005)
    assert np.isnan(units[3]).all()


# The search file


@pytest.fixture
def large(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset that is worth a search file, since any is."""
    monkeypatch.setattr(search_file, "_WORTH", 1)
    monkeypatch.setattr(search_file, "_BLOCK_BYTES", 256 * 4 * 17)
    Path("a.txt").write_text("".join(f"filler{number % 50} {number}\n" for number in range(400)))
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    return Path("out")


def results_of(ellmental: Run, *arguments: object) -> list[dict[str, Any]]:
    """What a search finds."""
    ran = ellmental("search", "out", "filler7", "--json", *arguments)
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)["results"]
    return found


def test_the_second_search_reads_no_part_and_finds_the_same(
    ellmental: Run, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first leaves a search file, whole and alone; later ones read their vectors from it."""
    first = results_of(ellmental, "-k", "20")
    assert (large / "_search.f32").stat().st_size == 4096 + 400 * 256 * 4
    assert not list(large.glob(".*"))

    def unread(dataset: object) -> None:
        raise AssertionError("a part's vectors were read")

    monkeypatch.setattr("ellmental_embeddings_jobs.dataset.Dataset.vectors", unread)
    assert results_of(ellmental, "-k", "20") == first
    assert len(first) == 20


@pytest.mark.parametrize("store", ["float16", "int8"])
def test_vectors_stored_in_fewer_bytes_are_searched_as_well(
    ellmental: Run, large: Path, store: str
) -> None:
    """Half or a quarter of the bytes: the same first rows, with and without the search file."""
    whole = results_of(ellmental, "-k", "8")
    assert ellmental("embed", "a.txt", "-o", "out", "--overwrite", "--store", store).code == 0
    for _ in range(2):
        found = results_of(ellmental, "-k", "8")
        assert {result["text"] for result in found} == {result["text"] for result in whole}
        assert found[0]["score"] == pytest.approx(whole[0]["score"], abs=0.01)
    assert (large / "_search.f32").exists()


def test_a_search_file_of_other_parts_is_made_anew(ellmental: Run, large: Path) -> None:
    """New parts under the old names, an edited part, a cut or foreign file: none is believed."""
    results_of(ellmental)
    old = (large / "_search.f32").read_bytes()
    Path("a.txt").write_text("".join(f"other {number}\n" for number in range(399)) + "filler7\n")
    assert ellmental("embed", "a.txt", "-o", "out", "--overwrite").code == 0
    (large / "_search.f32").write_bytes(old)
    assert results_of(ellmental)[0]["text"] == "filler7"
    good = (large / "_search.f32").read_bytes()
    for bad in (good[:-4], good[:100], b"", b"x" * len(good), old):
        (large / "_search.f32").write_bytes(bad)
        assert results_of(ellmental)[0]["text"] == "filler7"
        assert (large / "_search.f32").read_bytes() == good
    part = next(large.glob("part-*"))
    os.utime(part, ns=(1, 1))
    results_of(ellmental)
    assert (large / "_search.f32").read_bytes() != good


def test_a_folder_that_takes_no_file_is_searched_all_the_same(
    ellmental: Run, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs the search file, not the answer; nothing half is left, of nobody."""
    expected = results_of(ellmental)
    (large / "_search.f32").unlink()
    killed = large / "._search.f32.123.tmp"
    killed.write_bytes(b"half")
    os.utime(killed, (1, 1))
    written = search_file.UnitVectors._head

    def full(self: search_file.UnitVectors) -> bytes:
        if not list(large.glob(f".*.{os.getpid()}.tmp")):
            return written(self)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(search_file.UnitVectors, "_head", full)
    ran = ellmental("search", "out", "filler7", "--json")
    assert json.loads(ran.out)["results"] == expected
    assert "takes no search file (No space left on device)" in ran.err
    assert sorted(path.name for path in large.iterdir()) == ["_manifest.json", "part-00000.parquet"]


def test_a_dataset_with_a_search_file_can_be_overwritten(ellmental: Run, large: Path) -> None:
    """The file is known as the dataset's own, and goes with it."""
    results_of(ellmental)
    assert ellmental("embed", "a.txt", "-o", "out", "--overwrite").code == 0
    assert not (large / "_search.f32").exists()


def test_a_small_dataset_gets_no_search_file(ellmental: Run) -> None:
    """Reading a few MB of parts is as quick."""
    Path("a.txt").write_text("red\nblue\n")
    ellmental("embed", "a.txt", "-o", "out")
    assert ellmental("search", "out", "red").code == 0
    assert [path for path in Path("out").iterdir() if "search" in path.name] == []


def test_a_search_that_fails_leaves_nothing(ellmental: Run, large: Path) -> None:
    """A part that is damaged ends the search, and takes its half of a file with it."""
    part = next(large.glob("part-*"))
    content = bytearray(part.read_bytes())
    content[200:5000] = bytes(4800)
    part.write_bytes(content)
    vectors = search_file.UnitVectors(open_dataset(large))
    ran = ellmental("search", "out", "filler7")
    assert ran.code == 4
    assert not list(large.glob("*search*"))
    assert not list(large.glob(".*search*"))
    vectors.discard()


# --where


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("lang = 'de'", [0, 1]),
        ("lang <> 'de'", [2, 4]),
        ("lang = 'de' AND year > 2020", [1]),
        ("year >= 2021 and not lang = 'en'", [1]),
        ("year = 2019 OR year = 2022 AND lang = 'de'", [0]),
        ("(year = 2019 OR year = 2022) AND new", None),
        ("(year = 2019 OR year = 2022) AND new = TRUE", [0, 2]),
        ("lang IN ('en', 'it''s')", [2, 4]),
        ("lang NOT IN ('en', 'de')", [4]),
        ("lang IS NULL", [3]),
        ("lang is not null and score is null", [2]),
        ("lang LIKE 'd%'", [0, 1]),
        ("lang NOT LIKE '_e'", [2, 4]),
        ("score < 1", [0, 4]),
        ("score <= 1.5", [0, 1, 4]),
        ("year < -2.5", [4]),
        ('"year" != 2019', [1, 2, 3, 4]),
        ("new = false", [1, 4]),
        ("day >= '2022-01-08'", [2, 3, 4]),
        ("NOT (lang = 'de')", [2, 4]),
        ("score > -1E-2 and score<0", [4]),
    ],
)
def test_conditions_mean_what_they_mean_in_sql(condition: str, rows: list[int] | None) -> None:
    """Precedence, quoting, missing values and types are SQL's."""
    columns = {field.name: field.type for field in TABLE.schema}
    if rows is None:
        with pytest.raises(UsageError):
            parse_filter(condition, columns)
        return
    found = parse_filter(condition, columns)
    numbered = TABLE.append_column("row", pa.array(range(len(ROWS))))
    assert numbered.filter(found.expression).column("row").to_pylist() == rows
    assert set(found.columns) <= set(columns)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("", "expected the name of a column at the end"),
        ("lang", "expected =, <>, <, <=, >, >=, IN, LIKE or IS at the end"),
        ("lang = ", "expected a number, a text in single quotes, TRUE or FALSE at the end"),
        ('lang = "de"', "TRUE or FALSE at '\"de\"'."),
        ("lang = 'de' year = 1", "expected AND, OR or the end at 'year = 1'"),
        ("(lang = 'de'", "expected a closing bracket at the end"),
        ("lang IN ('de'", "expected a comma or a closing bracket"),
        ("land = 'de'", "there is no column 'land'. Columns: lang, year, score, new, day."),
        ("year = '2020'", "the column year cannot be compared with '2020'"),
        ("lang > 5", "cannot be compared with 5: it is text, and of texts '10' comes before '4'"),
        ("new = 1", "the column new cannot be compared with 1"),
        ("day = 'soon'", "the column day cannot be compared with 'soon'"),
        ("year LIKE 5", "year is no column of texts (int32)"),
        ("lang = 'de'; DROP TABLE x", "not understood at '; DROP TABLE x'"),
        ("__import__('os')", "there is no column '__import__'"),
        ("'unclosed", "not understood at"),
    ],
)
def test_a_condition_that_is_not_understood_says_where(condition: str, said: str) -> None:
    """Never a traceback, never something else than what was meant."""
    with pytest.raises(UsageError) as error:
        parse_filter(condition, {field.name: field.type for field in TABLE.schema})
    assert said in error.value.message


def test_where_is_obeyed_over_parts_with_and_without_a_search_file(
    ellmental: Run, large: Path
) -> None:
    """The same rows either way; JSON says how many fulfil it; none is no error."""
    condition = "line <= 150 AND source LIKE 'a%'"
    for _ in range(2):
        found = json.loads(
            ellmental("search", "out", "filler7", "--json", "-k", "9", "--where", condition).out
        )
        assert found["matching"] == 150
        assert [result["line"] for result in found["results"][:3]] == [8, 58, 108]
        assert all(result["line"] <= 150 for result in found["results"])
    ran = ellmental("search", "out", "filler7", "--where", "line = 0")
    assert (ran.code, ran.out) == (0, "")
    assert "no row fulfils --where, of 400" in ran.err
    ran = ellmental("search", "out", "filler7", "--where", "vector = 0")
    assert ran.code == 2
    assert "there is no column 'vector'" in ran.err
