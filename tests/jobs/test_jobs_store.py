"""How vectors are stored, and who can read them: float32, float16, int8; four readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from ellmental_embeddings import load_generator
from ellmental_embeddings_jobs.dataset import open_dataset
from ellmental_embeddings_jobs.dataset.storage import restored, stored

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tests.jobs.conftest import Run

    from ellmental_embeddings_jobs.dataset.storage import Store

STORES: tuple[Store, ...] = ("float32", "float16", "int8")
TEXTS = [f"{number % 7} cats and {number} dogs" for number in range(500)]


def embed(ellmental: Run, store: str) -> NDArray[np.float32]:
    """Embed TEXTS into a folder named after the store; the vectors the generator made."""
    Path("a.txt").write_text("".join(f"{text}\n" for text in TEXTS))
    ran = ellmental("embed", "a.txt", "-o", store, "--store", store)
    assert ran.code == 0, ran.err
    with load_generator() as generator:
        return generator.embed(TEXTS).vectors


@pytest.mark.parametrize("store", STORES)
def test_stored_vectors_are_near_what_they_were(ellmental: Run, store: str) -> None:
    """Read as float32 again, they differ by half a step at most."""
    right = embed(ellmental, store)
    found = np.concatenate([vectors for _, _, vectors in open_dataset(Path(store)).vectors()])
    assert found.dtype == np.float32
    largest = np.abs(right).max(axis=1, keepdims=True)
    step = {"float32": 0.0, "float16": 2**-11, "int8": 0.5 / 127 + 1e-6}[store]
    assert (np.abs(found - right) <= step * largest).all()


@pytest.mark.parametrize("store", STORES)
def test_search_reads_every_store(ellmental: Run, store: str) -> None:
    """The nearest row is the text itself, whatever its vector is stored in."""
    embed(ellmental, store)
    ran = ellmental("search", store, TEXTS[123], "-k", "1", "--json")
    assert ran.code == 0, ran.err
    (found,) = json.loads(ran.out)["results"]
    assert found["text"] == TEXTS[123]
    assert found["score"] == pytest.approx(1.0, abs=1e-3)
    assert "scale" not in found


@pytest.mark.parametrize("store", STORES)
def test_stores_say_what_they_are(ellmental: Run, store: str) -> None:
    """Type, metadata and format tell the store; int8 has its scale in a column."""
    embed(ellmental, store)
    schema = parquet.read_schema(Path(store, "part-00000.parquet"))
    described = json.loads(schema.metadata[b"ellmental"])
    assert described["settings"]["store"] == store
    assert described["format"] == (1 if store == "float32" else 2)
    number = {"float32": pa.float32(), "float16": pa.float16(), "int8": pa.int8()}[store]
    assert schema.field("vector").type == pa.list_(number, 256)
    assert ("scale" in schema.names) == (store == "int8")


def test_smaller_stores_are_smaller() -> None:
    """Of random vectors, whose bytes cannot be compressed: a half, and a quarter."""
    vectors = np.random.default_rng(1).standard_normal((100, 64)).astype(np.float32)
    sizes = {}
    for store in STORES:
        numbers, scales = stored(vectors, store)
        sizes[store] = numbers.nbytes + (0 if scales is None else scales.nbytes)
    assert sizes["float16"] * 2 == sizes["float32"]
    assert sizes["int8"] * 4 == sizes["float32"] + 4 * 400


@pytest.mark.parametrize("store", STORES)
def test_storing_again_changes_nothing(store: Store) -> None:
    """What is read and stored again, as an update does, is the same to the last bit."""
    vectors = np.random.default_rng(2).standard_normal((200, 96)).astype(np.float32)
    vectors[3], vectors[4, 5] = 0.0, 1e30
    once = restored(*stored(vectors, store))
    twice = restored(*stored(once, store))
    assert np.array_equal(once, twice)
    assert np.isfinite(once).all()
    assert not once[3].any()


def test_updates_keep_the_store(ellmental: Run) -> None:
    """Rows that are taken over from an int8 dataset keep their numbers and their scale."""
    embed(ellmental, "int8")
    before = parquet.read_table("int8")
    Path("a.txt").write_text("".join(f"{text}\n" for text in [*TEXTS, "one more"]))
    ran = ellmental("embed", "a.txt", "-o", "int8", "--store", "int8", "--json")
    assert json.loads(ran.out.splitlines()[-1])["embedded"] == 1
    after = parquet.read_table("int8").slice(0, len(TEXTS))
    assert after["vector"].to_pylist() == before["vector"].to_pylist()
    assert np.allclose(after["scale"], before["scale"], rtol=1e-6)


def as_pandas(folder: str) -> tuple[list[str], Any]:
    """Read with pandas."""
    import pandas as pd

    frame = pd.read_parquet(folder)
    return list(frame["text"]), np.stack(list(frame["vector"]))


def as_polars(folder: str) -> tuple[list[str], Any]:
    """Read with polars."""
    import polars as pl

    frame = pl.read_parquet(f"{folder}/*.parquet")
    return frame["text"].to_list(), np.array(frame["vector"].to_list())


def as_duckdb(folder: str) -> tuple[list[str], Any]:
    """Read with DuckDB."""
    import duckdb

    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT text, vector FROM read_parquet('{folder}/*.parquet')"
        ).fetchall()
    return [text for text, _ in found], np.array([vector for _, vector in found])


def as_pyarrow(folder: str) -> tuple[list[str], Any]:
    """Read with pyarrow."""
    table = parquet.read_table(folder)
    return table["text"].to_pylist(), np.array(table["vector"].to_pylist())


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("read", [as_pyarrow, as_pandas, as_polars, as_duckdb])
def test_four_readers_read_the_folder_as_it_is(ellmental: Run, read: Any, store: str) -> None:
    """pyarrow, pandas, polars and DuckDB see the same rows and numbers, without our help."""
    right = embed(ellmental, store)
    texts, numbers = read(store)
    assert texts == TEXTS
    assert np.array_equal(numbers, stored(right, store)[0])  # type: ignore[arg-type]
