"""What a user holds: the generator, in scripts, threads, notebooks and coroutines."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scripted import ScriptedBackend, scripted_generator, vectors_of

from ellmental_embeddings import (
    Backend,
    Batch,
    ConfigurationError,
    EmbeddingError,
    EmbeddingFailed,
    Limits,
    ModelInfo,
    Reply,
    TextTooLong,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

TEXTS = [f"text {number}" for number in range(230)]
HERE = Path(__file__).parent


async def pause(backend: ScriptedBackend, batch: Batch) -> None:
    """A service that takes a moment."""
    await asyncio.sleep(0.01)


def test_embed() -> None:
    """Vectors in the order of the texts, float32, with usage, outcomes and space."""
    generator, _ = scripted_generator()
    with generator:
        result = generator.embed(TEXTS)
    assert result.vectors.dtype == np.float32
    assert np.array_equal(result.vectors, vectors_of(TEXTS))
    usage = result.usage
    assert (usage.texts, usage.unique, usage.requests, usage.retries) == (230, 230, 5, 0)
    assert usage.tokens == sum(map(len, TEXTS))
    assert usage.seconds > 0
    assert result.space.model == "scripted"
    assert result.space.dimensions == 8


def test_array_like() -> None:
    """A result can be used where an array can."""
    generator, _ = scripted_generator()
    with generator:
        result = generator.embed(["a", "b", "c"])
    assert len(result) == 3
    assert np.asarray(result) is result.vectors
    assert np.array_equal(np.stack(list(result)), result.vectors)
    assert np.array_equal(result[1], vectors_of(["b"])[0])
    assert result[-2:].shape == (2, 8)
    assert np.asarray(result, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copied"):
        result.__array__(np.float64, copy=False)
    similarity = result.similarity(result)
    assert similarity.shape == (3, 3)
    assert np.allclose(np.diag(similarity), 1)


def test_identical_texts_are_paid_for_once() -> None:
    """Within a call each different text is sent once, and all its rows are filled."""
    generator, backend = scripted_generator()
    texts = ["a", "b", "a", "c", "b", "a"] * 50
    with generator:
        result = generator.embed(texts)
    assert sorted(backend.sent) == ["a", "b", "c"]
    assert np.array_equal(result.vectors, vectors_of(texts))
    assert result.usage.unique == 3


def test_no_texts() -> None:
    """An empty list gives an empty result of the right width; of an unknown one, an error."""
    generator, backend = scripted_generator()
    with generator:
        assert generator.embed([]).vectors.shape == (0, 8)
    assert backend.batches == []
    generator, _ = scripted_generator(model=ModelInfo())
    with generator:
        with pytest.raises(ConfigurationError, match=r"width.*not known.*EMBEDDING_DIMENSIONS"):
            generator.embed([])
        generator.embed(["now it is known"])
        assert generator.embed([]).vectors.shape == (0, 8)


@pytest.mark.parametrize("texts", ["one string", b"bytes"])
def test_one_string_is_refused(texts: Any) -> None:
    """A string is no list of its characters."""
    generator, _ = scripted_generator()
    with generator:
        for method in (generator.embed, generator.stream, generator.astream):
            with pytest.raises(TypeError, match=r"\[text\]"):
                method(texts)
        with pytest.raises(TypeError):
            asyncio.run(generator.aembed(texts))
        with pytest.raises(TypeError):
            generator.embed(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"role": "answer"}, {"on_error": "ignore"}])
def test_wrong_arguments_are_named(wrong: Any) -> None:
    """An argument that has few values says which."""
    generator, _ = scripted_generator()
    with generator, pytest.raises(ValueError, match="use '"):
        generator.embed(["a"], **wrong)


def test_on_error() -> None:
    """raise: all others first, then an error with the result; keep: NaN rows and outcomes."""
    generator, backend = scripted_generator()
    with generator:
        with pytest.raises(EmbeddingFailed) as caught:
            generator.embed(["a", "", "b", None])  # type: ignore[list-item]
        kept = generator.embed(["a", "", "b", None], on_error="keep")  # type: ignore[list-item]
    assert str(caught.value).startswith("2 of 4 texts failed")
    assert "text 1: it is blank" in str(caught.value)
    assert "text 3: it is None" in str(caught.value)
    for result in (caught.value.result, kept):
        assert np.array_equal(result.vectors[[0, 2]], vectors_of(["a", "b"]))
        assert np.isnan(result.vectors[[1, 3]]).all()
        assert [outcome.status for outcome in result.outcomes] == ["ok", "failed", "ok", "failed"]
    assert backend.sent == ["a", "b", "a", "b"]


def test_roles_and_instructions_reach_plain_models_as_prefixes() -> None:
    """E5's way: the instruction of the role stands before each text; a call may override it."""
    generator, backend = scripted_generator(
        settings={
            "EMBEDDING_DOCUMENT_INSTRUCTION": "passage: ",
            "EMBEDDING_QUERY_INSTRUCTION": "query: ",
        }
    )
    with generator:
        generator.embed(["a"])
        generator.embed(["b"], role="query")
        own = generator.embed(["c"], role="query", instruction="find: ")
        none = generator.embed(["d"], instruction="")
    assert backend.sent == ["passage: a", "query: b", "find: c", "d"]
    assert {batch.instruction for batch in backend.batches} == {None}
    assert own.space.query_instruction == "find: "
    assert none.space.document_instruction is None
    assert len({own.space.id, none.space.id, generator.space.id}) == 3


def test_instruction_models_are_told() -> None:
    """A backend that takes instructions gets role and instruction, and the text as it is."""
    generator, backend = scripted_generator(
        settings={"EMBEDDING_QUERY_INSTRUCTION": "Represent the question:"}, takes_instruction=True
    )
    with generator:
        generator.embed(["a"])
        generator.embed(["b"], role="query")
    assert backend.batches == [
        Batch(("a",), "document", None),
        Batch(("b",), "query", "Represent the question:"),
    ]


@pytest.mark.parametrize("overlong", ["error", "truncate", "average"])
def test_overlong(overlong: str) -> None:
    """EMBEDDING_OVERLONG decides, and whatever was cut says so."""
    generator, backend = scripted_generator(
        settings={"EMBEDDING_OVERLONG": overlong}, limits=Limits(tokens_per_text=2)
    )
    with generator:
        result = generator.embed(["one two three", "fine"], on_error="keep")
    outcome = result.outcomes[0]
    if overlong == "error":
        assert isinstance(outcome.error, TextTooLong)
        assert backend.sent == ["fine"]
    elif overlong == "truncate":
        assert str(outcome) == "truncated from 3 to 2 tokens"
        assert backend.sent == ["one two ", "fine"]
    else:
        assert str(outcome) == "split into 2 pieces"
        first, second = vectors_of(["one two ", "three"])
        assert np.allclose(result.vectors[0], (2 * first + second) / 3)
    assert result.outcomes[1].status == "ok"
    assert result.space.overlong == overlong


def test_in_coroutines_over_several_loops() -> None:
    """One generator serves one asyncio.run after the other, and the sync face between them."""
    generator, backend = scripted_generator()

    async def many() -> list[Any]:
        return await asyncio.gather(*(generator.aembed([f"{n}", "same"]) for n in range(20)))

    for _ in range(2):
        for number, result in enumerate(asyncio.run(many())):
            assert np.array_equal(result.vectors, vectors_of([f"{number}", "same"]))
        assert np.array_equal(generator.embed(["sync"]).vectors, vectors_of(["sync"]))
    generator.close()
    assert backend.closed == 1


def test_sync_face_inside_a_running_loop() -> None:
    """In a notebook a loop already runs; the sync methods work there all the same."""
    generator, _ = scripted_generator()

    async def cell() -> Any:
        return generator.embed(["a"]).vectors

    with generator:
        assert np.array_equal(asyncio.run(cell()), vectors_of(["a"]))


def test_many_threads_share_one_limit() -> None:
    """Calls of many threads are right, and together stay below the concurrency limit."""
    generator, backend = scripted_generator(
        always=pause, settings={"EMBEDDING_MAX_CONCURRENCY": 3, "BATCH_SIZE": 5}
    )

    def call(number: int) -> bool:
        texts = [f"{number} {each}" for each in range(20)]
        return np.array_equal(generator.embed(texts).vectors, vectors_of(texts))

    with generator, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(24)))
    assert backend.most_in_flight == 3


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


def test_closing() -> None:
    """After close a call says so; closing twice is fine; the backend is closed once."""
    generator, backend = scripted_generator()
    generator.embed(["a"])
    generator.close()
    generator.close()
    asyncio.run(generator.aclose())
    with pytest.raises(EmbeddingError, match="closed"):
        generator.embed(["a"])
    assert backend.closed == 1


def test_async_with() -> None:
    """An async with closes it too."""
    generator, backend = scripted_generator()

    async def use() -> None:
        async with generator as same:
            assert same is generator
            await same.aembed(["a"])

    asyncio.run(use())
    assert backend.closed == 1


def test_forgotten_generators_are_closed() -> None:
    """A generator that goes out of scope gives back its thread and its connections."""
    generator, backend = scripted_generator()
    generator.embed(["a"])
    gone = weakref.ref(generator)
    del generator
    gc.collect()
    assert gone() is None
    assert backend.closed == 1
    assert not [one for one in threading.enumerate() if one.name == "ellmental-loop"]


def test_pickling_is_refused() -> None:
    """Open connections do not travel; the error says what to do instead."""
    generator, _ = scripted_generator()
    with generator, pytest.raises(TypeError, match="load_generator"):
        pickle.dumps(generator)


@pytest.mark.parametrize("after", [0.0, 0.03, 0.08])
def test_a_cancelled_task_leaves_nothing_running(after: float) -> None:
    """Cancelling keeps what was finished, in the error's result, and nothing runs on."""
    generator, backend = scripted_generator(
        always=pause, settings={"BATCH_SIZE": 5, "EMBEDDING_MAX_CONCURRENCY": 2}
    )

    async def use() -> Any:
        task = asyncio.create_task(generator.aembed(TEXTS))
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return getattr(caught.value, "result", None)

    with generator:
        result = asyncio.run(use())
        assert backend.in_flight == 0
        done = len(backend.batches)
        if result is not None:
            good = [row for row in range(len(TEXTS)) if row not in result.failed]
            assert np.array_equal(result.vectors[good], vectors_of(TEXTS[row] for row in good))
            assert len(good) < len(TEXTS)
        time.sleep(0.05)
        assert len(backend.batches) == done
        assert np.array_equal(generator.embed(["still works"]), vectors_of(["still works"]))


def test_closing_during_a_call_ends_it() -> None:
    """Closing from another thread ends a running call with an error that says so."""
    generator, backend = scripted_generator(always=pause, settings={"BATCH_SIZE": 1})
    errors: list[BaseException] = []

    def call() -> None:
        try:
            generator.embed([f"text {number}" for number in range(100_000)])
        except EmbeddingError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    while not backend.batches:
        time.sleep(0.01)
    generator.close()
    thread.join(10)
    assert [str(error) for error in errors] == ["the generator SCRIPTED was closed during the call"]
    assert backend.in_flight == 0


class PlainBackend(Backend):
    """A backend whose embed is a plain def."""

    limits = Limits(concurrency=3)
    threads: set[str]

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.threads = set()
        self.now = self.most = 0
        self.lock = threading.Lock()

    def embed(self, batch: Batch) -> Reply:
        """Blocks, as an SDK without async does."""
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.threads.add(threading.current_thread().name)
        time.sleep(0.02)
        with self.lock:
            self.now -= 1
        if batch.texts[0] == "fail":
            raise StopIteration
        return Reply(vectors_of(batch.texts))


def test_a_plain_def_runs_in_threads() -> None:
    """A plain def is run beside the loop, several at once, and its errors arrive."""
    from ellmental_embeddings.generator import EmbeddingGenerator

    built = scripted_generator(settings={"BATCH_SIZE": 2})[0].settings
    backend = PlainBackend(built)
    with EmbeddingGenerator("PLAIN", "tests", built, lambda: backend) as generator:
        assert np.array_equal(generator.embed(TEXTS[:20]), vectors_of(TEXTS[:20]))
        with pytest.raises(EmbeddingError, match="StopIteration"):
            generator.embed(["fail"])
    assert backend.threads == {"ellmental-backend"}
    assert backend.most == 3


SCRIPT = textwrap.dedent("""
    import asyncio, os, signal, sys, threading, time
    from scripted import scripted_generator, vectors_of, pause_forever_after
    generator, backend = scripted_generator(
        always=pause_forever_after(3), settings={"BATCH_SIZE": 5, "EMBEDDING_MAX_CONCURRENCY": 1}
    )
""")


def run_script(body: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, warnings as errors."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT + textwrap.dedent(body)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=HERE,
        check=False,
    )


def test_ctrl_c_keeps_what_was_finished() -> None:
    """Ctrl-C in a script ends the call, keeps finished vectors, and leaves no thread behind."""
    ran = run_script("""
        def interrupt():
            while len(backend.batches) < 4:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            generator.embed([f"text {number}" for number in range(100)])
        except KeyboardInterrupt as error:
            good = len(error.result) - len(error.result.failed)
            print(good, backend.in_flight, error.result.failed[99])
        generator.close()
        print([t.name for t in threading.enumerate()])
    """)
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "15 0 not finished: the call was cancelled",
        "['MainThread']",
    ]


def test_interpreter_exit_in_mid_call_is_clean() -> None:
    """A program that ends while a stream is open prints nothing and does not hang."""
    ran = run_script("""
        backend.always = pause_forever_after(20)
        stream = generator.stream(f"text {number}" for number in range(1000))
        print(len(next(stream)), "of 1000, bye")
    """)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "40 of 1000, bye\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes can fork")
def test_a_fork_starts_afresh() -> None:
    """A generator loaded before a fork works in the child, with a loop of its own."""
    ran = run_script("""
        import warnings
        warnings.simplefilter("ignore")
        assert generator.embed(["a"]).vectors.shape == (1, 8)
        child = os.fork()
        if child == 0:
            print("child", generator.embed(["b"]).vectors.shape, flush=True)
            sys.exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        print("parent", generator.embed(["c"]).vectors.shape)
    """)
    assert ran.stdout == "child (1, 8)\nparent (1, 8)\n", ran.stderr


def test_sigint_reaches_python() -> None:
    """The test above stands on SIGINT raising KeyboardInterrupt, as it does by default."""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
