"""``ellmental export`` where a target was changed by others, or cannot hold a column."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from databases import Sqlite
from pyarrow import parquet

if TYPE_CHECKING:
    from tests.jobs.conftest import Run


def write(**more: list[object]) -> None:
    """The input: three rows with ids and other columns."""
    texts = ["red apple", "blue sky", "yellow sun"]
    parquet.write_table(pa.table({"text": texts, "key": ["n1", "n2", "n7"], **more}), "in.parquet")


def embedded(ellmental: Run, *options: object) -> None:
    """Embed the input into ``out``."""
    ran = ellmental("embed", "in.parquet", "--id", "key", "-o", "out", *options)
    assert ran.code == 0, ran.err


def test_a_row_that_another_program_has_changed(ellmental: Run) -> None:
    """It is not looked for where nothing is to be copied; --overwrite puts it right."""
    write()
    target = Sqlite()
    embedded(ellmental, "--to", target.to)
    with closing(sqlite3.connect("search.db")) as connection, connection:
        connection.execute("update docs set text = 'spoilt' where id = 'n7'")
    assert "Nothing to do" in ellmental("export", "out", "--to", target.to).err
    ran = ellmental("export", "out", "--to", target.to, "--overwrite", "--json")
    assert json.loads(ran.out)["changed"] == 1
    assert [row["text"] for row in target.rows()] == ["red apple", "blue sky", "yellow sun"]


@pytest.mark.parametrize("spoilt", [b"", b"PK\3\4", b"\x93NUMPY"])
def test_a_numpy_file_that_was_damaged(ellmental: Run, spoilt: bytes) -> None:
    """Empty, another format, or cut: it is written anew."""
    write()
    embedded(ellmental, "--to", "v.npy")
    Path("v.npy").write_bytes(spoilt)
    assert ellmental("export", "out", "--to", "v.npy").code == 0
    assert np.load("v.npy").shape == (3, 256)


def test_a_name_that_lance_has_no_column_for(ellmental: Run) -> None:
    """A dot leads into an object there: said in words, with the remedy."""
    write(**{"a.b": list[object](range(3))})
    embedded(ellmental, "--keep", "a.b")
    ran = ellmental("export", "out", "--to", "lancedb:lake#t")
    assert (ran.code, "LanceDB cannot have a column 'a.b': a dot" in ran.err) == (4, True)
