"""Batches as they are finished: in any order, none lost, none twice, and a gentle end."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scripted import ScriptedBackend, scripted_generator, vectors_of

from ellmental_embeddings import (
    AuthenticationFailed,
    Batch,
    Limits,
    ModelInfo,
    RateLimited,
    Reply,
    TextRejected,
    Unavailable,
)
from ellmental_embeddings.engine.watch import Drain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ellmental_embeddings import CompletedBatch

TEXTS = [f"text {number}" for number in range(230)]


def assert_whole(batches: Iterable[CompletedBatch], texts: list[str]) -> None:
    """Every text exactly once, each with its own vector."""
    found: dict[int, Any] = {}
    for positions, result in batches:
        assert len(positions) == len(result)
        for row, position in enumerate(positions.tolist()):
            assert position not in found
            found[position] = result.vectors[row]
    assert sorted(found) == list(range(len(texts)))
    assert np.array_equal([found[position] for position in sorted(found)], vectors_of(texts))


async def shuffled(backend: ScriptedBackend, batch: Batch) -> None:
    """A service whose earlier requests take longer."""
    await asyncio.sleep(0.03 if len(backend.batches) % 3 else 0.001)


def collect(batches: Iterable[CompletedBatch], handed_out: list[int]) -> None:
    """Note the positions that are handed out, up to an error and its like."""
    for positions, _ in batches:
        handed_out += positions.tolist()


@pytest.mark.parametrize("most", [1, 4, 64])
def test_every_text_comes_once_with_its_vector(most: int) -> None:
    """Whatever order batches finish in, over windows, with duplicates among the texts."""
    texts = [*TEXTS, *TEXTS[:50]]
    settings = {"BATCH_SIZE": 7, "EMBEDDING_MAX_CONCURRENCY": most}
    generator, _ = scripted_generator(always=shuffled, settings=settings)
    with generator:
        assert_whole(list(generator.as_completed(iter(texts))), texts)


def test_a_slow_batch_holds_no_other_up() -> None:
    """While the first request hangs all others of several windows are handed out."""
    release = threading.Event()

    async def first_hangs(backend: ScriptedBackend, batch: Batch) -> None:
        if "text 0" in batch.texts:
            await asyncio.to_thread(release.wait, 60)

    settings = {"BATCH_SIZE": 5, "EMBEDDING_MAX_CONCURRENCY": 2}
    generator, _ = scripted_generator(always=first_hangs, settings=settings)
    batches = []
    with generator:
        for batch in generator.as_completed(TEXTS[:120]):
            batches.append(batch)
            if sum(len(positions) for positions, _ in batches) == 115:
                release.set()
    assert batches[-1].positions.tolist() == [0, 1, 2, 3, 4]
    assert_whole(batches, TEXTS[:120])


def test_input_is_read_a_bounded_way_beyond_a_slow_batch() -> None:
    """A batch that is tried again for long does not let the whole input into memory."""
    read = 0

    async def first_hangs(backend: ScriptedBackend, batch: Batch) -> None:
        if "text 0" in batch.texts:
            await asyncio.sleep(3600)

    def endless() -> Iterator[str]:
        nonlocal read
        for read in range(1_000_000):
            yield f"text {read}"

    settings = {"BATCH_SIZE": 2, "EMBEDDING_MAX_CONCURRENCY": 2}
    generator, _ = scripted_generator(always=first_hangs, settings=settings)
    with generator:
        completed = generator.as_completed(endless())
        threading.Timer(0.5, completed.stop, [0.1]).start()
        handed_out = sum(len(positions) for positions, _ in completed)
    assert read < 16 * 2 * 8
    assert handed_out >= read - 32


def test_no_more_is_sent_than_may_be_in_flight_until_it_is_taken() -> None:
    """What was answered and not taken yet counts as in flight: it can be lost with the program."""
    settings = {"BATCH_SIZE": 5, "EMBEDDING_MAX_CONCURRENCY": 3}
    generator, backend = scripted_generator(settings=settings)
    taken = 0
    with generator:
        for positions, _ in generator.as_completed(TEXTS):
            time.sleep(0.003)
            assert len(backend.sent) - taken <= 15
            taken += len(positions)
    assert taken == len(TEXTS)


def test_failed_texts_come_with_their_batch() -> None:
    """A refused text and a blank one are failed rows; all others have vectors."""

    async def picky(backend: ScriptedBackend, batch: Batch) -> None:
        if "bad" in batch.texts:
            raise TextRejected("no", index=batch.texts.index("bad"))

    texts = [*TEXTS[:20], "bad", " ", *TEXTS[20:40]]
    generator, _ = scripted_generator(always=picky, settings={"BATCH_SIZE": 8})
    failed, good = [], []
    with generator:
        for positions, result in generator.as_completed(texts):
            failed += [int(positions[row]) for row in result.failed]
            good += [
                int(position)
                for row, position in enumerate(positions)
                if row not in result.failed
                and np.array_equal(result.vectors[row], vectors_of([texts[position]])[0])
            ]
    assert sorted(failed) == [20, 21]
    assert sorted([*failed, *good]) == list(range(42))


def test_averaged_texts_come_when_all_their_pieces_are_there() -> None:
    """A text embedded in pieces is handed out once, with the mean of its pieces."""
    long = " ".join(f"word{number}" for number in range(12))
    settings = {"BATCH_SIZE": 1, "EMBEDDING_OVERLONG": "average"}
    limits = Limits(tokens_per_text=5)
    generator, _ = scripted_generator(always=shuffled, settings=settings, limits=limits)
    with generator:
        whole = generator.embed(["short", long])
        found = {
            int(position): result.vectors[row]
            for positions, result in generator.as_completed(["short", long])
            for row, position in enumerate(positions)
        }
    assert np.array_equal([found[0], found[1]], whole.vectors)


def test_a_service_that_ends_is_told_after_what_was_in_flight() -> None:
    """Batches in flight when the key fails are handed out, then the error is raised."""

    async def until(backend: ScriptedBackend, batch: Batch) -> None:
        if "text 50" in batch.texts:
            raise AuthenticationFailed("expired")
        await asyncio.sleep(0.05)

    settings = {"BATCH_SIZE": 5, "EMBEDDING_MAX_CONCURRENCY": 4}
    generator, backend = scripted_generator(always=until, settings=settings)
    handed_out: list[int] = []
    with generator, pytest.raises(AuthenticationFailed, match="expired"):
        collect(generator.as_completed(TEXTS), handed_out)
    assert sorted(TEXTS[position] for position in handed_out) == sorted(
        text for text in backend.sent if text not in TEXTS[50:55]
    )
    assert len(handed_out) < 100


@pytest.mark.parametrize("error", [OSError("the disk is gone"), ValueError("odd")])
def test_an_error_of_the_texts_is_raised_after_what_was_begun(error: Exception) -> None:
    """Where reading fails, all that was sent is handed out first."""

    def texts() -> Iterator[str]:
        yield from TEXTS[:100]
        raise error

    settings = {"BATCH_SIZE": 5, "EMBEDDING_MAX_CONCURRENCY": 2}
    generator, backend = scripted_generator(always=shuffled, settings=settings)
    handed_out: list[int] = []
    with generator, pytest.raises(type(error), match=str(error)):
        collect(generator.as_completed(texts()), handed_out)
    assert sorted(TEXTS[position] for position in handed_out) == sorted(backend.sent)


def test_stop_hands_out_what_is_in_flight_and_sends_no_more() -> None:
    """After stop the requests in flight are awaited; those that wait to be repeated are not."""

    async def some_wait(backend: ScriptedBackend, batch: Batch) -> None:
        if "text 0" in batch.texts:
            raise RateLimited("later", retry_after=30)
        await asyncio.sleep(0.1)

    settings = {"BATCH_SIZE": 5, "EMBEDDING_MAX_CONCURRENCY": 6}
    generator, backend = scripted_generator(always=some_wait, settings=settings)
    began = time.monotonic()
    handed_out: list[int] = []
    with generator:
        completed = generator.as_completed(TEXTS)
        timer = threading.Timer(0.05, completed.stop)
        timer.start()
        for positions, _ in completed:
            handed_out += positions.tolist()
    sent = [text for text in backend.sent if text not in TEXTS[:5]]
    assert sorted(TEXTS[position] for position in handed_out) == sorted(sent)
    assert 0 < len(handed_out) < len(TEXTS)
    assert time.monotonic() - began < 20


def test_a_drain_tells_of_its_beginning_and_of_its_end() -> None:
    """Whoever waits is woken twice: when nothing more is sent, and when nothing is in flight."""
    told: list[int] = []
    drain = Drain(changed=lambda: told.append(drain.asking))
    for _ in range(3):
        drain.asked()
    drain.answered()
    drain.begin()
    drain.answered()
    drain.answered()
    assert told == [2, 0]


def test_what_is_refused_after_stop_is_undecided() -> None:
    """Its batch would have been looked through: no text of it is handed out as failed."""
    stopped = threading.Event()

    async def refuse(backend: ScriptedBackend, batch: Batch) -> None:
        await asyncio.to_thread(stopped.wait, 20)
        raise TextRejected("no", index=0)

    generator, _ = scripted_generator(always=refuse, settings={"BATCH_SIZE": 1})
    with generator:
        completed = generator.as_completed(TEXTS[:2])

        def stop() -> None:
            completed.stop()
            threading.Timer(0.1, stopped.set).start()

        threading.Timer(0.1, stop).start()
        assert list(completed) == []


def test_stop_is_patient_within_bounds() -> None:
    """A request that never ends is cancelled after the seconds that were given."""

    async def hang(backend: ScriptedBackend, batch: Batch) -> None:
        await asyncio.sleep(3600)

    generator, backend = scripted_generator(always=hang)
    with generator:
        completed = generator.as_completed(TEXTS)
        threading.Timer(0.1, completed.stop, [0.1]).start()
        assert list(completed) == []
        assert backend.in_flight == 0


def test_leaving_the_iteration_leaves_nothing_running() -> None:
    """Whoever breaks off, or closes, pays for nothing more."""
    settings = {"BATCH_SIZE": 5, "EMBEDDING_MAX_CONCURRENCY": 2}
    generator, backend = scripted_generator(always=shuffled, settings=settings)
    with generator:
        completed = generator.as_completed(TEXTS)
        next(completed)
        completed.close()
        sent = len(backend.sent)
        time.sleep(0.1)
        assert len(backend.sent) == sent
        assert list(completed) == []


def test_passing_faults_are_repeated() -> None:
    """Retries, halving and bad replies work as in every other call."""

    async def down(backend: ScriptedBackend, batch: Batch) -> None:
        raise Unavailable("starting")

    async def short(backend: ScriptedBackend, batch: Batch) -> Reply:
        return Reply(vectors_of(batch.texts)[1:])

    generator, _ = scripted_generator(script=[down, short, down], settings={"BATCH_SIZE": 20})
    with generator:
        assert_whole(list(generator.as_completed(TEXTS)), TEXTS)


def test_a_source_that_waits_holds_nothing_up() -> None:
    """At a None what was read is sent, and what is finished handed out, before reading goes on."""
    handed_out: list[int] = []
    before: list[int] = []

    def texts() -> Iterator[str | None]:
        yield from TEXTS[:3]
        for _ in range(100):
            yield None
            if handed_out:
                break
        before.extend(handed_out)
        yield from TEXTS[3:]

    generator, _ = scripted_generator(always=shuffled)
    with generator:
        collect(generator.as_completed(texts()), handed_out)
    assert before == [0, 1, 2]
    assert sorted(handed_out) == list(range(len(TEXTS)))


def test_a_service_that_is_down_leaves_its_texts_undecided() -> None:
    """Texts of a service that never answers have not failed: nothing is said of them."""

    async def down(backend: ScriptedBackend, batch: Batch) -> None:
        raise Unavailable("down")

    generator, _ = scripted_generator(always=down, settings={"EMBEDDING_DEADLINE": 0.3})
    handed_out: list[CompletedBatch] = []
    with generator, pytest.raises(Unavailable):
        handed_out.extend(generator.as_completed(TEXTS))
    assert handed_out == []


def test_the_parts_usage_adds_up_to_the_calls() -> None:
    """Requests that decided no text by themselves count too: halves, pieces of means, retries."""
    poison = "text 7"

    def service(backend: ScriptedBackend, batch: Batch) -> None:
        if len(backend.batches) == 3:
            raise Unavailable("503", retry_after=0.0)
        if poison in batch.texts:
            raise TextRejected("no")

    long = [" ".join(f"{name}{number}" for number in range(12)) for name in "abc"]
    generator, backend = scripted_generator(
        always=service,
        limits=Limits(tokens_per_text=5),
        settings={"BATCH_SIZE": 2, "EMBEDDING_OVERLONG": "average"},
    )
    with generator:
        parts = [result.usage for _, result in generator.as_completed([*TEXTS[:20], *long])]
    assert sum(usage.texts for usage in parts) == 23
    assert sum(usage.requests for usage in parts) == len(backend.batches)
    assert sum(usage.retries for usage in parts) > 1
    good = (text for batch in backend.batches for text in batch.texts if text != poison)
    assert sum(usage.tokens or 0 for usage in parts) == sum(map(len, set(good)))


@pytest.mark.parametrize("ended_by", ["the last text", "a refused key"])
def test_a_first_answer_of_the_wrong_width_is_not_handed_out(ended_by: str) -> None:
    """Where nobody declared a width, the first answer waits for one that says the same."""

    def wide(backend: ScriptedBackend, batch: Batch) -> Reply:
        return Reply(np.ones((len(batch.texts), 16), dtype=np.float32))

    def refused(backend: ScriptedBackend, batch: Batch) -> None:
        if ended_by == "a refused key" and len(backend.batches) > 12:
            raise AuthenticationFailed("no")

    generator, _ = scripted_generator(
        script=[wide],
        always=refused,
        model=ModelInfo(name="scripted"),
        settings={"BATCH_SIZE": 5, "EMBEDDING_MAX_CONCURRENCY": 3},
    )
    found: list[int] = []
    with generator, suppress(AuthenticationFailed):
        for positions, result in generator.as_completed(TEXTS):
            assert np.array_equal(result.vectors, vectors_of(TEXTS[at] for at in positions))
            found += positions.tolist()
    if ended_by == "the last text":
        assert sorted(found) == list(range(len(TEXTS)))
    else:
        assert len(found) == len(set(found)) >= 40


def test_what_was_held_back_comes_when_nothing_follows() -> None:
    """One answer, then a refused key: the rows of the one are handed out before the error."""

    def once(backend: ScriptedBackend, batch: Batch) -> None:
        if len(backend.batches) > 1:
            raise AuthenticationFailed("no")

    generator, _ = scripted_generator(
        always=once,
        model=ModelInfo(name="scripted"),
        settings={"BATCH_SIZE": 5, "EMBEDDING_MAX_CONCURRENCY": 1},
    )
    found: list[int] = []
    with generator, pytest.raises(AuthenticationFailed):
        collect(generator.as_completed(TEXTS), found)
    assert found == list(range(5))
