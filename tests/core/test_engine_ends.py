"""What ends a call: hopeless errors, deadlines, faults of plugins."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scripted import ScriptedBackend, scripted_generator, vectors_of

from ellmental_embeddings import (
    AuthenticationFailed,
    BadReply,
    Batch,
    ConfigurationError,
    EmbeddingError,
    ModelInfo,
    PluginError,
    QuotaExhausted,
    RateLimited,
    Reply,
    Unavailable,
)

if TYPE_CHECKING:
    from typing import Any

TEXTS = [f"text number {number}" for number in range(103)]

pytestmark = pytest.mark.usefixtures("quick_retries")


def short(backend: ScriptedBackend, batch: Batch) -> Reply:
    """One vector is missing."""
    return Reply(vectors_of(batch.texts)[:-1])


def down(backend: ScriptedBackend, batch: Batch) -> Reply:
    """503."""
    raise Unavailable("503 Service Unavailable")


@pytest.mark.parametrize(
    "error",
    [
        QuotaExhausted("no credit left"),
        AuthenticationFailed("wrong key"),
        ConfigurationError("no such model"),
    ],
)
@pytest.mark.parametrize("on_error", ["raise", "keep"])
def test_hopeless_errors_end_the_call(error: EmbeddingError, on_error: Any) -> None:
    """What waiting cannot mend ends the call at once, keeps what was done, and is not retried."""
    done = 0

    def fail_after_three(backend: ScriptedBackend, batch: Batch) -> None:
        nonlocal done
        done += 1
        if done > 3:
            raise error

    generator, backend = scripted_generator(
        always=fail_after_three, settings={"BATCH_SIZE": 10, "EMBEDDING_MAX_CONCURRENCY": 1}
    )
    with generator, pytest.raises(type(error)) as caught:
        generator.embed(TEXTS, on_error=on_error)
    assert len(backend.batches) == 4
    assert caught.value.result is not None
    result = caught.value.result
    assert np.array_equal(result.vectors[:30], vectors_of(TEXTS[:30]))
    assert sorted(result.failed) == list(range(30, len(TEXTS)))
    assert result.failed[50] is error


def test_hopeless_from_the_start_has_no_result() -> None:
    """Where nothing succeeded there is no result to look at."""

    def refuse(backend: ScriptedBackend, batch: Batch) -> None:
        raise AuthenticationFailed("wrong key")

    generator, backend = scripted_generator(always=refuse, settings={"BATCH_SIZE": 10})
    with generator, pytest.raises(AuthenticationFailed) as caught:
        generator.embed(TEXTS)
    assert caught.value.result is None


def test_a_dead_service_ends_the_call_at_the_deadline() -> None:
    """Where nothing succeeds until the deadline, the call ends instead of trying every batch."""
    generator, backend = scripted_generator(
        always=down, settings={"EMBEDDING_DEADLINE": 0.2, "BATCH_SIZE": 1}
    )
    began = time.monotonic()
    with generator, pytest.raises(Unavailable, match=r"503.*Gave up after \d+ tries.*DEADLINE"):
        generator.embed([f"text {number}" for number in range(5000)])
    assert time.monotonic() - began < 5
    assert len(backend.batches) < 5000


def test_a_batch_that_stays_down_fails_alone() -> None:
    """A batch that runs into its deadline fails; the others are finished first."""

    def down_for_one(backend: ScriptedBackend, batch: Batch) -> Reply | None:
        if TEXTS[3] in batch.texts:
            raise Unavailable("503")
        return None

    generator, _ = scripted_generator(
        always=down_for_one,
        settings={"EMBEDDING_DEADLINE": 0.2, "BATCH_SIZE": 2, "EMBEDDING_MAX_CONCURRENCY": 4},
    )
    with generator:
        result = generator.embed(TEXTS, on_error="keep")
    assert sorted(result.failed) == [2, 3]


def test_too_long_a_wait_is_not_waited_for() -> None:
    """Retry-After beyond the deadline ends the call at once, and says both numbers."""

    def busy_for_an_hour(backend: ScriptedBackend, batch: Batch) -> None:
        raise RateLimited("daily limit reached", retry_after=3600)

    generator, _ = scripted_generator(always=busy_for_an_hour)
    began = time.monotonic()
    with generator, pytest.raises(RateLimited, match=r"3600 s.*EMBEDDING_DEADLINE=300"):
        generator.embed(TEXTS)
    assert time.monotonic() - began < 5


def test_a_service_without_one_usable_answer_is_given_up() -> None:
    """Against a service that always answers nonsense the halving ends before every text."""
    generator, backend = scripted_generator(
        always=short, settings={"EMBEDDING_MAX_CONCURRENCY": 2, "BATCH_SIZE": 50}
    )
    with generator, pytest.raises(BadReply, match="requests had a usable answer"):
        generator.embed([f"text {number}" for number in range(10_000)])
    assert len(backend.batches) < 200


def test_a_fault_of_the_plugin_says_so() -> None:
    """An exception that no backend should raise ends the call and blames the plugin."""

    def broken(backend: ScriptedBackend, batch: Batch) -> None:
        raise KeyError("data")

    generator, backend = scripted_generator(always=broken)
    with generator, pytest.raises(PluginError, match=r"ScriptedBackend raised KeyError.*authors"):
        generator.embed(TEXTS)
    assert len(backend.batches) == len(TEXTS) // 50 + 1


def test_no_reply_object_says_so() -> None:
    """A backend that returns something else than a Reply is told to its authors."""
    generator, backend = scripted_generator()
    backend.right = lambda batch: [[1.0]]  # type: ignore[assignment,method-assign,return-value]
    with generator, pytest.raises(PluginError, match="list, not a Reply"):
        generator.embed(TEXTS)


def test_ignored_dimensions_are_noticed() -> None:
    """A service that ignores EMBEDDING_DIMENSIONS is refused instead of believed."""
    generator, _ = scripted_generator(
        settings={"EMBEDDING_DIMENSIONS": 4}, model=ModelInfo(name="scripted")
    )
    with generator, pytest.raises(ConfigurationError, match=r"EMBEDDING_DIMENSIONS=4.*8 dim"):
        generator.embed(TEXTS)


@pytest.mark.parametrize("width", [10**13, 10**30])
def test_dimensions_that_no_memory_holds_are_named(width: int) -> None:
    """A width nobody can have is a wrong setting, in every way of calling, and no traceback."""
    generator, _ = scripted_generator(
        settings={"EMBEDDING_DIMENSIONS": width}, model=ModelInfo(name="scripted")
    )
    with generator:
        with pytest.raises(ConfigurationError, match=r"no memory .*EMBEDDING_DIMENSIONS"):
            generator.embed(TEXTS)
        with pytest.raises(ConfigurationError, match="no memory"):
            list(generator.as_completed(TEXTS))
        assert generator.pace.in_flight == 0


def test_a_key_in_an_error_is_masked() -> None:
    """Whatever a service repeats of the key is masked in the error and gone from its cause."""
    from ellmental_embeddings.engine.ask import Asker
    from ellmental_embeddings.engine.redact import Secrets

    def repeats(backend: ScriptedBackend, batch: Batch) -> None:
        try:
            raise ValueError("Bearer sk-very-secret")
        except ValueError as error:
            raise AuthenticationFailed("wrong key: sk-very-secret") from error

    generator, backend = scripted_generator(always=repeats)
    generator.close()  # the backend is asked by hand
    asker = Asker(backend, Secrets(["sk-very-secret"]))
    with pytest.raises(AuthenticationFailed) as caught:
        asyncio.run(asker.ask(Batch(("text",)), within=1))
    assert "********" in str(caught.value)
    assert caught.value.__cause__ is None
    assert "sk-very-secret" not in repr(caught.value.__context__)
