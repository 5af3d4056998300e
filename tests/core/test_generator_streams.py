"""Streams: parts in order, bounded memory, and what is kept when they end."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scripted import ScriptedBackend, scripted_generator, vectors_of

from ellmental_embeddings import (
    AuthenticationFailed,
    Batch,
    EmbeddingFailed,
)
from ellmental_embeddings import windows as windows_module

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

TEXTS = [f"text {number}" for number in range(230)]
HERE = Path(__file__).parent


async def pause(backend: ScriptedBackend, batch: Batch) -> None:
    """A service that takes a moment."""
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_stream(kind: str) -> None:
    """Parts cover the texts in order, however the answers come."""
    generator, _ = scripted_generator(always=pause, settings={"BATCH_SIZE": 7})
    texts = TEXTS if kind == "list" else (text for text in TEXTS)
    with generator:
        parts = list(generator.stream(texts))
    assert np.array_equal(np.concatenate(parts), vectors_of(TEXTS))
    assert len(parts) > 3


def test_astream_of_both_kinds_of_iterables() -> None:
    """An async stream takes async and plain iterables."""
    generator, _ = scripted_generator(settings={"BATCH_SIZE": 7})

    async def endless() -> AsyncIterator[str]:
        for text in TEXTS:
            await asyncio.sleep(0)
            yield text

    async def collect(texts: Any) -> Any:
        return np.concatenate([part.vectors async for part in generator.astream(texts)])

    with generator:
        assert np.array_equal(asyncio.run(collect(endless())), vectors_of(TEXTS))
        assert np.array_equal(asyncio.run(collect(TEXTS)), vectors_of(TEXTS))


def test_stream_reads_a_bounded_way_ahead() -> None:
    """An endless input is read only a little ahead of what is consumed."""
    generator, _ = scripted_generator(settings={"BATCH_SIZE": 2, "EMBEDDING_MAX_CONCURRENCY": 4})
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield f"text {read}"

    with generator:
        stream = generator.stream(endless())
        first = next(stream)
        assert len(first) <= read <= 16 * 4
        stream.close()  # type: ignore[attr-defined]


def test_memory_of_a_stream_does_not_grow() -> None:
    """Ten times the texts need no more memory."""

    def peak(texts: int) -> int:
        generator, backend = scripted_generator(settings={"EMBEDDING_MAX_CONCURRENCY": 2})
        backend.batches = type("Forgetful", (list,), {"append": lambda *_: None})()
        tracemalloc.start()
        with generator:
            for _ in generator.stream(f"text {number}" for number in range(texts)):
                pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(2_000)
    assert peak(20_000) < 1.3 * peak(4_000)


def test_stream_folds_duplicates_within_its_window() -> None:
    """Identical texts near each other are sent once."""
    generator, backend = scripted_generator()
    with generator:
        parts = list(generator.stream(["a", "b"] * 100))
    assert sum(map(len, parts)) == 200
    assert backend.sent == ["a", "b"]


def test_stream_stops_at_a_failed_text_or_keeps_it() -> None:
    """Raise stops at the part with the failed text and carries it; keep goes on."""
    texts = [*TEXTS[:90], "", *TEXTS[90:]]
    generator, _ = scripted_generator(settings={"BATCH_SIZE": 5})
    with generator:
        with pytest.raises(EmbeddingFailed) as caught:
            list(generator.stream(texts))
        kept = list(generator.stream(texts, on_error="keep"))
    assert list(caught.value.result.failed) == [90 % 40]
    assert sum(len(part.failed) for part in kept) == 1
    assert sum(map(len, kept)) == 231


@pytest.mark.parametrize("ended_by", ["service", "source"])
def test_a_stream_that_ends_keeps_what_was_begun(ended_by: str) -> None:
    """Whatever ends a stream carries all that was finished and not handed out, over windows."""

    async def until(backend: ScriptedBackend, batch: Batch) -> None:
        if "text 60" in batch.texts and ended_by == "service":
            raise AuthenticationFailed("expired")
        if len(backend.batches) == 16 and ended_by == "source":
            await asyncio.sleep(3600)

    def source() -> Iterator[str]:
        yield from TEXTS[:80]
        if ended_by == "source":
            while len(backend.batches) < 16:
                time.sleep(0.01)
            raise OSError("the disk is gone")
        yield from TEXTS[80:]

    generator, backend = scripted_generator(
        always=until, settings={"BATCH_SIZE": 5, "EMBEDDING_MAX_CONCURRENCY": 1}
    )
    parts: list[Any] = []
    with generator, pytest.raises((AuthenticationFailed, OSError)) as caught:
        parts.extend(generator.stream(source()))
    handed_out = sum(map(len, parts))
    result: Any = getattr(caught.value, "result")  # noqa: B009 - not every exception has it
    texts = TEXTS[handed_out : handed_out + len(result)]
    good = [row for row in range(len(texts)) if row not in result.failed]
    assert np.array_equal(result.vectors[good], vectors_of(texts[row] for row in good))
    # All but the batch that was refused, or waited for, and the one that was in flight by then.
    assert handed_out + len(good) >= len(set(backend.sent)) - 10
    assert good


def test_windows_of_long_texts_are_small() -> None:
    """A window ends early where its texts are long, so that they cannot fill memory."""
    long = ["x" * (windows_module.MOST_CHARACTERS // 2 + n) for n in range(5)]
    assert [len(window) for window in windows_module.windows(long, 100)] == [2, 2, 1]


def test_a_failed_text_is_named_by_its_place_in_the_stream() -> None:
    """The message counts from the stream's beginning, whatever part the text is in."""
    generator, _ = scripted_generator(settings={"BATCH_SIZE": 5})
    texts = [f"text {number}" if number != 100 else " " for number in range(200)]
    with generator, pytest.raises(EmbeddingFailed, match="text 100: it is blank"):
        list(generator.stream(texts))


def test_calls_are_told_apart_by_what_they_are() -> None:
    """A stream's calls may end in any order: comparing what they hold would compare matrices."""
    from ellmental_embeddings.engine.call import CallState, Part
    from ellmental_embeddings.engine.plan import Plan

    assert {kind.__eq__ for kind in (CallState, Part, Plan)} == {object.__eq__}
