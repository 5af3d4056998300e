"""The file behind EMBEDDING_CACHE: bounded, checked, and whole under kills and many writers."""

from __future__ import annotations

import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from ellmental_embeddings.vector_cache import FileCache
from ellmental_embeddings.vector_store import StoreBusy, StoreFailed, VectorStore

CACHE = Path("cache")
WIDTH = 64

WRITER = """
import hashlib, sys
from contextlib import closing
from pathlib import Path
from ellmental_embeddings.vector_cache import FileCache

def value(key):
    return key[::-1] * 8

cache = FileCache(Path("cache"), 10**9)
seed, lots = sys.argv[1], int(sys.argv[2])
for lot in range(lots):
    keys = [hashlib.sha256(f"{seed} {lot} {n}".encode()).digest() for n in range(50)]
    cache.put({key: value(key) for key in keys})
    found = cache.find(keys)
    assert all(found[key] == value(key) for key in keys)
    print(lot, flush=True)
cache.close()
"""


def key_of(number: int) -> bytes:
    """A key as the engine makes them: 32 bytes."""
    return number.to_bytes(32, "big")


def value_of(number: int) -> bytes:
    """A value as large as a short vector."""
    return number.to_bytes(4, "big") * WIDTH


def fill(cache: FileCache, numbers: range, lot: int = 100) -> None:
    """Put values that hold their own number."""
    for start in range(numbers.start, numbers.stop, lot):
        some = range(start, min(start + lot, numbers.stop))
        cache.put({key_of(number): value_of(number) for number in some})


def found(numbers: range, most_bytes: int = 10**9) -> set[int]:
    """The numbers whose vectors are in the file, each of them checked."""
    cache = FileCache(CACHE, most_bytes)
    vectors = cache.find([key_of(number) for number in numbers])
    cache.close()
    for key, vector in vectors.items():
        assert vector == value_of(int.from_bytes(key, "big"))
    return {int.from_bytes(key, "big") for key in vectors}


def start_writer(seed: object, lots: int) -> subprocess.Popen[str]:
    """A real process that puts lots of 50 vectors and checks them."""
    command = [sys.executable, "-c", WRITER, str(seed), str(lots)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows_are_whole() -> int:
    """Check every row of the file against its key; returns how many there are."""
    base = sqlite3.connect(CACHE)
    assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    keys = [key for (key,) in base.execute("SELECT key FROM vectors")]
    base.close()
    cache = FileCache(CACHE, 10**9)
    vectors = cache.find(keys)
    cache.close()
    assert len(vectors) == len(keys)
    for key, vector in vectors.items():
        assert vector == key[::-1] * 8
    return len(keys)


# What is kept


def test_closed_and_opened_again_it_has_everything() -> None:
    """What was put is there for the next process, once ``close`` has returned."""
    cache = FileCache(CACHE, 10**9)
    fill(cache, range(1000))
    cache.close()
    assert found(range(2000)) == set(range(1000))


def test_the_file_is_the_owners_alone_and_its_folder_is_made() -> None:
    """Vectors tell something about their texts."""
    cache = FileCache(Path("a") / "b" / "cache", 10**9)
    fill(cache, range(1))
    cache.close()
    assert (Path("a") / "b" / "cache").stat().st_mode & 0o777 == 0o600


def test_later_vectors_replace_earlier_ones() -> None:
    """A text that had to be sent again is remembered as it is now."""
    cache = FileCache(CACHE, 10**9)
    cache.put({key_of(7): bytes(WIDTH)})
    cache.close()
    cache = FileCache(CACHE, 10**9)
    fill(cache, range(7, 8))
    cache.close()
    assert found(range(10)) == {7}


# Its bound


def test_it_stays_within_its_bound_and_forgets_what_was_unused_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four times as much as fits: the file stays small; what was used in between is kept."""
    bound = 1_000_000  # some 3,000 rows of 256 bytes
    day = [100.0]
    monkeypatch.setattr(time, "time", lambda: day[0] * 86_400)
    favourites = range(50)
    for start in range(0, 12_000, 1000):
        cache = FileCache(CACHE, bound)
        cache.find([key_of(number) for number in favourites])
        fill(cache, range(start, start + 1000))
        cache.close()
        day[0] += 1
    kept = found(range(12_000), bound)
    assert set(favourites) <= kept
    assert set(range(11_500, 12_000)) <= kept
    assert not set(range(100, 1000)) & kept
    assert 1000 < len(kept) < 4000
    assert CACHE.stat().st_size < 2 * bound


def test_a_smaller_bound_empties_a_larger_file() -> None:
    """The next one that writes brings it within its own bound."""
    cache = FileCache(CACHE, 10**9)
    fill(cache, range(20_000), lot=2000)
    cache.close()
    cache = FileCache(CACHE, 1_000_000)
    fill(cache, range(20_000, 20_001))
    cache.close()
    assert 20_000 in found(range(20_001))
    assert len(found(range(20_000))) < 4000


# Several processes, and kills


def test_several_processes_write_at_once() -> None:
    """Four processes that begin together with no file: nobody fails, all of it is there."""
    writers = [start_writer(seed, lots=20) for seed in range(4)]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert (writer.returncode, errors) == (0, "")
    assert rows_are_whole() == 4 * 20 * 50


def test_killed_at_any_moment_the_file_is_whole() -> None:
    """Killed by -9 while another process writes too: no row is torn, and both can go on."""
    chance = random.Random(6)
    other = start_writer("other", lots=200)
    for round_ in range(6):
        writer = start_writer(f"killed {round_}", lots=10_000)
        assert writer.stdout is not None
        for _ in range(chance.randrange(1, 12)):
            assert writer.stdout.readline()
        time.sleep(chance.random() / 50)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate(timeout=20)
    _, errors = other.communicate(timeout=60)
    assert (other.returncode, errors) == (0, "")
    assert rows_are_whole() >= 200 * 50


# What goes wrong


def test_a_row_that_rotted_is_not_believed() -> None:
    """One flipped bit, a shortened vector, another key's vector: each is a miss, and is mended."""
    cache = FileCache(CACHE, 10**9)
    fill(cache, range(6))
    cache.close()
    base = sqlite3.connect(CACHE, isolation_level=None)
    spoilt = bytearray(base.execute("SELECT vector FROM vectors LIMIT 1").fetchone()[0])
    spoilt[9] ^= 1
    change = "UPDATE vectors SET vector = ? WHERE key = ?"
    base.execute(change, (bytes(spoilt), key_of(0)))
    whole = base.execute("SELECT vector FROM vectors WHERE key = ?", (key_of(5),)).fetchone()[0]
    base.execute(change, (whole, key_of(1)))
    base.execute(change, (whole[8:], key_of(2)))
    base.execute(change, (b"", key_of(3)))
    base.execute(change, ("words", key_of(4)))
    base.close()
    assert found(range(6)) == {5}
    cache = FileCache(CACHE, 10**9)
    fill(cache, range(6))
    cache.close()
    assert found(range(6)) == set(range(6))


def test_a_damaged_file_is_said_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Pages overwritten with noise: lookups miss, one warning names the file and the remedy."""
    cache = FileCache(CACHE, 10**9)
    fill(cache, range(2000))
    cache.close()
    content = bytearray(CACHE.read_bytes())
    content[8192:] = random.Random(1).randbytes(len(content) - 8192)
    CACHE.write_bytes(content)
    with caplog.at_level(logging.WARNING, "ellmental_embeddings"):
        cache = FileCache(CACHE, 10**9)
        assert cache.find([key_of(1)]) == {}
        fill(cache, range(10))
        assert cache.find([key_of(1)]) == {}
        cache.close()
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("EMBEDDING_CACHE=cache: database disk image is malformed")
    assert "delete it to begin anew" in caplog.messages[0]
    assert CACHE.read_bytes() == content


@pytest.mark.parametrize("kind", ["notes", "database", "newer"])
def test_a_file_of_somebody_else_is_never_written_to(kind: str) -> None:
    """Notes, another program's database, a newer version's cache: refused, not a byte changed."""
    if kind == "notes":
        CACHE.write_text("my notes\n" * 1000)
    else:
        base = sqlite3.connect(CACHE, isolation_level=None)
        base.execute("CREATE TABLE mine (words TEXT)")
        if kind == "newer":
            base.execute(f"PRAGMA application_id = {0x656C6D63}")
            base.execute("PRAGMA user_version = 99")
        base.close()
    before = CACHE.read_bytes()
    with pytest.raises(StoreFailed, match=r"not a database|something else|another version"):
        VectorStore(CACHE, 10**9, patience=0)
    assert CACHE.read_bytes() == before


def test_a_full_disk_ends_the_cache_and_not_the_call(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own answer to a full disk: one warning; what was written before is still whole."""
    cache = FileCache(CACHE, 10**9)
    fill(cache, range(100))
    cache.close()
    opened = FileCache._opened_writer

    def small(self: FileCache) -> VectorStore:
        store = opened(self)
        pages = store._number("PRAGMA page_count")
        store._base.execute(f"PRAGMA max_page_count = {pages + 2}")
        return store

    with caplog.at_level(logging.WARNING), monkeypatch.context() as patch:
        patch.setattr(FileCache, "_opened_writer", small)
        cache = FileCache(CACHE, 10**9)
        fill(cache, range(100, 5000))
        cache.close()
    assert len(caplog.messages) == 1
    assert "disk is full" in caplog.messages[0]
    assert set(range(100)) <= found(range(100))


def test_a_file_that_another_keeps_locked_is_waited_for_then_passed_over(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vectors of that moment are not kept, the next are."""
    cache = FileCache(CACHE, 10**9)
    fill(cache, range(10))
    cache.close()
    other = sqlite3.connect(CACHE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with closing(VectorStore(CACHE, 10**9, patience=0)) as store, pytest.raises(StoreBusy):
        store.put({key_of(11): bytes(WIDTH * 4)})
    monkeypatch.setattr("ellmental_embeddings.vector_cache._PATIENCE", 0.2)
    with caplog.at_level(logging.WARNING, "ellmental_embeddings"):
        cache = FileCache(CACHE, 10**9)
        fill(cache, range(10, 20))
        assert len(cache.find([key_of(number) for number in range(10)])) == 10
        deadline = time.monotonic() + 20
        while not caplog.messages and time.monotonic() < deadline:
            time.sleep(0.01)
        other.execute("ROLLBACK")
        other.close()
        fill(cache, range(20, 30))
        cache.close()
    assert "another process keeps it" in caplog.messages[0]
    assert found(range(30)) == {*range(10), *range(20, 30)}
