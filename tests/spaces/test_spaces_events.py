"""Server-sent events, however they are cut."""

from __future__ import annotations

import asyncio
import tracemalloc
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellmental_embeddings import BatchTooLarge
from ellmental_embeddings_spaces.events import event_data

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable


async def _stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def _events(chunks: Iterable[bytes], most: int = 1 << 30) -> list[bytes]:
    async def collect() -> list[bytes]:
        return [data async for data in event_data(_stream(chunks), most=most)]

    return asyncio.run(collect())


STREAM = (
    'data: {"a": "é漢"}\r\n\r\n: comment\nevent: x\ndata:one\ndata: two\n\n\ndata: last\n\n'
).encode()
EVENTS = ['{"a": "é漢"}'.encode(), b"one\ntwo", b"last"]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_cuts_make_no_difference(cuts: list[int]) -> None:
    """Wherever the stream is cut, in a line end or in a character, the events are the same."""
    places = sorted({0, *cuts, len(STREAM)})
    chunks = [STREAM[one:other] for one, other in pairwise(places)]
    assert _events(chunks) == EVENTS


def test_an_event_without_its_end_is_lost() -> None:
    """A stream that ends within an event does not hand out the half."""
    assert _events([b'data: {"a": 1}\n\ndata: {"b"']) == [b'{"a": 1}']
    assert _events([b'data: {"a": 1}\n']) == []


def test_a_line_of_20_mb_in_small_chunks_is_read_once() -> None:
    """A long line is put together without copying it again with every chunk."""
    line = b"data: " + b"x" * 20_000_000 + b"\n\n"
    chunks = [line[place : place + 65_536] for place in range(0, len(line), 65_536)]
    tracemalloc.start()
    (data,) = _events(chunks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) == 20_000_000
    assert peak < 90_000_000


def test_a_line_over_the_limit_makes_the_batch_smaller() -> None:
    """A line that grows beyond the limit ends in the error that halves the batch."""
    with pytest.raises(BatchTooLarge, match="over 1,000 bytes"):
        _events([b"data: " + b"x" * 600, b"x" * 600], most=1_000)


def test_an_event_of_many_lines_is_over_the_limit_as_well() -> None:
    """An event without end, of short lines, is refused like a line without end."""
    with pytest.raises(BatchTooLarge, match="over 1,000 bytes"):
        _events([b"data: x\n"] * 5_000, most=1_000)
    with pytest.raises(BatchTooLarge, match="over 1,000 bytes"):
        _events([b"data:\n"] * 5_000, most=1_000)
