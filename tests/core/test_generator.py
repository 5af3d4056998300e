"""What a user holds: the generator, in scripts, threads, notebooks and coroutines."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

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
    Unavailable,
)

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


def test_failed_texts_are_never_the_nearest() -> None:
    """A failed text compares as minus infinity, so that argmax passes it over."""
    generator, _ = scripted_generator()
    with generator:
        documents = generator.embed(["", "a"], on_error="keep")
        scores = generator.embed(["b"], role="query").similarity(documents)
    assert scores.argmax() == 1
    assert scores[0, 0] == -np.inf
    with pytest.raises(TypeError, match="ndarray"):
        documents.similarity(documents.vectors)  # type: ignore[arg-type]


def test_services_that_name_no_model_do_not_pass_for_one() -> None:
    """Two generators without a named model are two spaces, whatever their width."""
    from ellmental_embeddings.generator import EmbeddingGenerator

    one, backend = scripted_generator(model=ModelInfo())
    other = EmbeddingGenerator("OTHER", "tests", one.settings, lambda: backend)
    with one, other:
        assert one.space.model is None
        assert one.embed(["a"]).space.model == "unnamed model of SCRIPTED"
        assert one.space.id != other.embed(["a"]).space.id
        assert one.space.id == one.embed(["b"]).space.id


def test_waiting_is_said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches learns why nothing seems to happen, once for many batches."""
    from ellmental_embeddings.engine import recovery

    def down(backend: ScriptedBackend, batch: Batch) -> None:
        raise Unavailable("503 from the gateway.")

    monkeypatch.setattr(recovery, "_WORTH_SAYING", 0.0)
    generator, _ = scripted_generator(script=[down] * 4, settings={"BATCH_SIZE": 1})
    with generator:
        generator.embed(["a", "b", "c", "d"])
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert said[0].startswith("503 from the gateway; try 2 follows in 0.")


def test_a_backend_may_write_straight_into_the_result() -> None:
    """Vectors decoded into ``batch.out`` are the result's own memory, and right."""
    rooms: list[Any] = []

    def into(backend: ScriptedBackend, batch: Batch) -> Reply:
        assert batch.out is not None
        batch.out[:] = vectors_of(batch.texts)
        rooms.append(batch.out)
        return Reply(batch.out)

    generator, _ = scripted_generator(always=into, settings={"BATCH_SIZE": 10})
    with generator:
        result = generator.embed(TEXTS)
    assert np.array_equal(result.vectors, vectors_of(TEXTS))
    assert all(np.shares_memory(room, result.vectors) for room in rooms)
