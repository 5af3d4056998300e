"""The mistakes people make, with the product as it is installed: one message, no traceback."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from reader import Reader
from reader_services import Services

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BIG = "word " * 2_000_000

MISTAKES = [
    ("EMBEDDING_GENERATOR=LOKAL ellmental vector a", 3, "Did you mean LOCAL?"),
    ("BATCH_SIZE=0 ellmental vector a", 3, "BATCH_SIZE='0' (from the environment)"),
    ("BATCH_SIZE=fifty ellmental vector a", 3, "BATCH_SIZE='fifty' (from the environment)"),
    ("EMBEDDING_DIMENSIONS=7 ellmental vector a", 3, "EMBEDDING_DIMENSIONS"),
    ("LOCAL_MODEL=./nowhere ellmental vector a", 3, "LOCAL_MODEL=./nowhere: no such folder"),
    ("ellmental vector ''", 1, "it is blank"),
    ("ellmental vector $'lone \\xed\\xa0\\x80'", 1, "lone surrogate"),
    ("ellmental vector - < big.txt", 1, "2,000,002 tokens, the model takes 256"),
    ("ellmental embed nothing.txt -o out", 4, "nothing.txt"),
    ("ellmental embed empty.txt -o out", 4, "empty.txt is empty"),
    ("ellmental embed binary.txt -o out", 4, "binary.txt"),
    ("ellmental embed latin.txt -o out --on-bad stop", 4, "not UTF-8"),
    ("ellmental embed table.csv --column nope -o out", 4, "Its columns: 'id', 'text'"),
    ("ellmental embed table.csv -o there", 4, "there exists"),
    ("ellmental embed table.csv -o out --split-tokens 2", 2, "one letter is 3 tokens"),
    ("ellmental search nowhere question", 4, "nowhere"),
    ("ellmental search there ' '", 2, "blank"),
]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Somebody with files of every kind."""
    folder: Path = tmp_path_factory.mktemp("mistakes")
    (folder / "big.txt").write_text(BIG)
    (folder / "empty.txt").write_bytes(b"")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 10)
    (folder / "latin.txt").write_bytes("naïve café".encode("latin-1"))
    (folder / "table.csv").write_text("id,text\n1,one\n")
    (folder / "there").mkdir()
    with Services() as services:
        yield Reader(folder, services)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "code", "said"), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_mistake(reader: Reader, command: str, code: int, said: str) -> None:
    """The message says what is wrong, the exit code is of its kind, and nothing is left behind."""
    ran = reader.shell(f"{command}; echo code $?")
    assert ran.stdout.endswith(f"code {code}\n"), ran.stdout
    assert said in ran.stdout
    assert "Traceback" not in ran.stdout
    assert not (reader.folder / "out").exists()
    assert os.listdir(reader.folder / "there") == []  # noqa: PTH208 - names are enough
