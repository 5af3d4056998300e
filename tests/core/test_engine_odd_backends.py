"""Backends that do what no backend should: nobody hangs, nothing shows a key, all is said."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from contextlib import suppress
from typing import Any

import pytest
from pydantic import SecretStr
from scripted import ScriptedBackend, scripted_generator, vectors_of

from ellmental_embeddings import (
    AuthenticationFailed,
    BackendSettings,
    Batch,
    ConfigurationError,
    EmbeddingError,
    Limits,
    PluginError,
    RateLimited,
    RateStatus,
    Reply,
    TextRejected,
    Unavailable,
    Variables,
)
from ellmental_embeddings.engine.pace import Pace
from ellmental_embeddings.engine.redact import Secrets, redact
from ellmental_embeddings.generator import EmbeddingGenerator
from ellmental_embeddings.settings import build_settings, policy_of, secrets_of

LEFT = RateStatus(requests_limit=60, requests_left=12, requests_reset=10.0)
TEXTS = [f"text {number}" for number in range(20)]
KEY = "sk-very-secret-1234"

pytestmark = pytest.mark.usefixtures("quick_retries")


class PanicException(BaseException):
    """What a panic in Rust is in Python (pyo3): no Exception."""


@pytest.mark.parametrize(
    "raised",
    [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), PanicException("index")],
)
def test_an_exception_that_ends_programs_ends_the_call(raised: BaseException) -> None:
    """Whatever a backend raises becomes an error of the call, and the next call works."""

    def fault(backend: ScriptedBackend, batch: Batch) -> Reply:
        raise raised

    generator, _ = scripted_generator(script=[fault])
    with generator:
        with pytest.raises(EmbeddingError, match=type(raised).__name__):
            generator.embed(TEXTS)
        assert generator.embed(["a"]).vectors.tolist() == vectors_of(["a"]).tolist()


@pytest.mark.parametrize("wait", ["3", float("nan"), float("inf"), -1])
def test_an_odd_retry_after_is_none(wait: Any) -> None:
    """A Retry-After that is no number of seconds counts as none."""

    def busy(backend: ScriptedBackend, batch: Batch) -> Reply:
        raise RateLimited("slow down", retry_after=wait)

    generator, _ = scripted_generator(script=[busy])
    with generator:
        assert generator.embed(TEXTS).usage.retries == 1


@pytest.mark.parametrize(
    "odd",
    [
        RateStatus(requests_left=0, requests_reset="1s"),  # type: ignore[arg-type]
        RateStatus(requests_limit=10**400, requests_left=10**400, requests_reset=1.0),
    ],
)
def test_odd_rate_headers_are_passed_over(odd: RateStatus) -> None:
    """Headers that a backend hands over unparsed do not end anything."""
    generator, _ = scripted_generator(
        always=lambda _, batch: Reply(vectors_of(batch.texts), rate=odd)
    )
    with generator:
        assert not generator.embed(TEXTS).failed


@pytest.mark.parametrize("tokens", [2**63, 10**400, -1])
def test_a_count_that_none_can_be_is_not_known(tokens: int) -> None:
    """No ledger could hold it, and it costs no vector."""
    generator, _ = scripted_generator(
        always=lambda _, batch: Reply(vectors_of(batch.texts), tokens=tokens)
    )
    with generator:
        assert generator.embed(TEXTS).usage.tokens is None


@pytest.mark.parametrize(
    "refusal",
    [
        RateLimited("slow down", retry_after=0.0, rate=LEFT),
        Unavailable("busy", retry_after=0.0, rate=LEFT),
        TextRejected("bad", index=0),
    ],
)
def test_what_a_refusal_says_of_rates_is_heeded(
    monkeypatch: pytest.MonkeyPatch, refusal: EmbeddingError
) -> None:
    """The engine's pace is told, as it is by a good answer; whatever the refusal is."""
    told: list[RateStatus | None] = []
    monkeypatch.setattr(Pace, "failed", lambda _, __, error: told.append(error.rate))
    refusal.rate = LEFT

    def refuse(backend: ScriptedBackend, batch: Batch) -> Reply:
        raise refusal

    generator, _ = scripted_generator(script=[refuse], settings={"BATCH_SIZE": "100"})
    with generator:
        generator.embed(TEXTS, on_error="keep")
    assert [rate for rate in told if rate is not None] == [LEFT]


def test_an_odd_rate_of_a_refusal_is_passed_over() -> None:
    """A plugin that hangs anything else on its error harms nobody."""

    def refuse(backend: ScriptedBackend, batch: Batch) -> Reply:
        raise RateLimited("slow down", retry_after=0.0, rate="full speed")  # type: ignore[arg-type]

    generator, _ = scripted_generator(script=[refuse])
    with generator:
        assert not generator.embed(TEXTS).failed


def test_counting_that_fails_blames_the_plugin() -> None:
    """An error in count_tokens is told like one in embed, without the key."""
    generator, backend = scripted_generator(limits=Limits(tokens_per_text=1))

    def count(text: str) -> int:
        raise RuntimeError("no vocabulary")

    backend.count_tokens = count  # type: ignore[method-assign]
    with generator, pytest.raises(PluginError, match="no vocabulary"):
        generator.embed(TEXTS)


def test_closing_that_fails_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An error of aclose is logged without its text, the loop ends, the block's error stays."""
    generator, backend = scripted_generator()

    async def aclose() -> None:
        raise RuntimeError(KEY)

    backend.aclose = aclose  # type: ignore[method-assign]
    generator.embed(["a"])
    with pytest.raises(ZeroDivisionError), generator:
        raise ZeroDivisionError
    assert "RuntimeError" in caplog.text
    assert KEY not in caplog.text
    assert not [one for one in threading.enumerate() if one.name == "ellmental-loop"]


def test_a_backend_cannot_call_its_own_generator() -> None:
    """That would wait for itself: it is an error, not a hang."""

    def recursive(backend: ScriptedBackend, batch: Batch) -> Reply:
        return Reply(generator.embed(["inner"]).vectors)

    generator, _ = scripted_generator(always=recursive)
    with generator, pytest.raises(PluginError, match="cannot call the generator"):
        generator.embed(["outer"])


def test_stop_does_not_wait_for_what_cannot_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that swallows its cancellation is left behind, and its call told of."""
    over = threading.Event()

    async def swallow(backend: ScriptedBackend, batch: Batch) -> None:
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)

    monkeypatch.setattr("ellmental_embeddings.calls.PATIENCE", 0.1)
    generator, backend = scripted_generator(always=swallow)
    with generator:
        completed = generator.as_completed(TEXTS[:5])
        threading.Timer(0.1, completed.stop, [0.1]).start()
        rescue = threading.Timer(5, over.set)  # or the test would never end
        rescue.start()
        with pytest.raises(EmbeddingError, match="closed during the call"):
            list(completed)
        assert not over.is_set()
        over.set()
        rescue.cancel()
        while backend.in_flight:
            time.sleep(0.01)


def test_cancelling_while_planning() -> None:
    """Cancelled before anything was sent, a call ends as cancelled, with nothing to keep."""
    started = threading.Event()
    generator, backend = scripted_generator(limits=Limits(tokens_per_text=1))

    def slow(text: str) -> int:
        started.set()
        time.sleep(0.3)
        return 1

    backend.count_tokens = slow  # type: ignore[method-assign]

    async def use() -> None:
        task = asyncio.create_task(generator.aembed(["word " * 50_000]))
        await asyncio.to_thread(started.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with generator:
        asyncio.run(use())
    assert backend.batches == []


def test_a_call_that_races_with_close_never_hangs() -> None:
    """Calls from a thread while another closes: each ends, with a result or an error."""
    for _ in range(30):
        generator, _ = scripted_generator()
        ends: list[str] = []

        def call(generator: Any = generator, ends: list[str] = ends) -> None:
            try:
                while True:
                    generator.embed(TEXTS)
            except EmbeddingError as error:
                ends.append(str(error))

        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        generator.close()
        for thread in threads:
            thread.join(10)
        assert len(ends) == 3
        assert all("closed" in end for end in ends)


class KeySettings(BackendSettings):
    """Settings with keys in several shapes."""

    odd_key: SecretStr = SecretStr("")
    odd_keys: tuple[SecretStr, ...] = ()


def test_keys_in_every_corner_of_an_error_are_masked() -> None:
    """In messages, other arguments, notes, and the causes' notes: no key shows when printed."""
    cause = ValueError({"headers": f"Bearer {KEY}"})
    cause.add_note(f"sent {KEY}")
    try:
        try:
            raise cause
        except ValueError as error:
            problem = AuthenticationFailed({"said": KEY})
            problem.add_note(f"with {KEY}")
            raise problem from error
    except AuthenticationFailed as error:
        redact(error, Secrets([KEY]))
        printed = "".join(traceback.format_exception(error))
    assert KEY not in printed
    assert "********" in printed


class Telling:
    """Vectors that cannot be read, and say why."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise RuntimeError(f"no array for {KEY}")


@pytest.mark.parametrize("reply", [Reply(Telling()), Reply(vectors_of(["a"]), model=f"no/{KEY}")])
def test_a_key_that_a_reply_repeats_is_masked(reply: Reply) -> None:
    """What is said of a reply may come from the service, which may repeat what it was sent."""
    built = build_settings(KeySettings, Variables({"ODD_KEY": KEY}), needed_by="ODD")
    before = Reply(vectors_of(["a"]), model="another")
    backend = ScriptedBackend(built, script=[lambda *_: before, lambda *_: reply])
    with EmbeddingGenerator("ODD", "tests", built, lambda: backend) as generator:
        generator.embed(["a"])
        with pytest.raises(ConfigurationError) as caught:
            generator.embed(["a"])
    assert "********" in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_keys_are_found_and_not_shown() -> None:
    """Keys in lists are found, and what carries them to the engine does not show them."""
    built = build_settings(
        KeySettings,
        Variables({"ODD_KEY": KEY, "ODD_KEYS": ["one-key", "two-key"]}),
        needed_by="ODD",
    )
    assert set(secrets_of(built)) == {KEY, "one-key", "two-key"}
    policy = policy_of(built)
    for shown in (repr(policy), repr(policy.secrets), repr(built)):
        assert "key" not in shown.replace("odd_key", "").replace("keys", "")
        assert KEY not in shown


def test_an_instruction_that_cannot_be_sent_names_its_variable() -> None:
    """A lone surrogate in an instruction is the setting's fault, not every text's."""
    generator, _ = scripted_generator()
    with generator, pytest.raises(ConfigurationError, match="EMBEDDING_QUERY_INSTRUCTION"):
        generator.embed(["a"], role="query", instruction="bad \ud800")
