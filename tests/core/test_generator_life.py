"""How a generator ends: closing, cancelling, Ctrl-C, forks, and the end of the program."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripted import ScriptedBackend, scripted_generator, vectors_of

from ellmental_embeddings import (
    Batch,
    EmbeddingError,
)

TEXTS = [f"text {number}" for number in range(230)]
HERE = Path(__file__).parent


async def pause(backend: ScriptedBackend, batch: Batch) -> None:
    """A service that takes a moment."""
    await asyncio.sleep(0.01)


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


SCRIPT = textwrap.dedent("""
    import asyncio, os, signal, sys, threading, time
    signal.signal(signal.SIGINT, signal.default_int_handler)
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


@pytest.mark.parametrize(
    "body",
    [
        "generator.embed(['a'])",
        "stream = generator.astream(TEXTS)\nasyncio.run(anext(stream))",
        "batches = generator.as_completed(TEXTS)\nnext(batches)",
        "threading.Thread(target=embed, daemon=True).start()\nwait()",
        "asyncio.run(asyncio.wait_for(generator.aembed(TEXTS), 0.05))",
        (
            "backend.embed = slow\ngenerator._engine._asker.is_async = False\n"
            "threading.Thread(target=embed, daemon=True).start()\nwait()"
        ),
        (
            "backend.embed = slow\ngenerator._engine._asker.is_async = False\n"
            "stream = generator.stream(TEXTS)\nnext(stream)"
        ),
    ],
    ids=["call", "astream", "as_completed", "thread", "time-out", "def", "def in stream"],
)
def test_a_program_that_does_not_close_ends_quietly(body: str) -> None:
    """Whatever is under way when the program ends, it ends at once and prints nothing."""
    prelude = """
        TEXTS = [f"text {number}" for number in range(1000)]
        backend.always = pause_forever_after(20)
        def slow(batch):
            backend.batches.append(batch)
            time.sleep(0.002 if len(backend.batches) < 20 else 3600)
            return backend.right(batch)
        def embed():
            try:
                generator.embed(TEXTS)
            except Exception as error:  # the thread is told, where it still gets a turn
                assert str(error) == "the generator SCRIPTED was closed during the call"
        def wait():
            while len(backend.batches) < 4:
                time.sleep(0.01)
        sys.excepthook = lambda kind, *_: kind is TimeoutError or print(kind, file=sys.stderr)
    """
    ran = run_script(textwrap.dedent(prelude) + body)
    assert ran.stderr == ""
    assert ran.stdout == ""


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
        for begins_with in (
            lambda: generator.estimate(["d"]).unique,
            lambda: sum(len(part) for _, part in generator.as_completed(["e", "f"])),
        ):
            child = os.fork()
            if child == 0:
                signal.alarm(20)  # what waits for the parent's threads waits for ever
                print("child", begins_with(), flush=True)
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """)
    assert ran.stdout == "child (1, 8)\nparent (1, 8)\nchild 1\nchild 2\n", ran.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes can fork")
def test_a_fork_that_closes_waits_for_no_lock_of_its_parent(tmp_path: Path) -> None:
    """Another thread may hold any of them at that moment: in the child nobody gives it back."""
    ran = run_script(f"""
        import warnings
        warnings.simplefilter("ignore")
        generator, _ = scripted_generator(settings={{"EMBEDDING_CACHE": {str(tmp_path / "c")!r}}})
        generator.embed(["a"])
        with generator._engine.policy.cache._reading, generator._host.loop._lock:
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                generator.close()
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        generator.close()
    """)
    assert ran.returncode == 0, ran.stderr
