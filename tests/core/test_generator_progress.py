"""Who watches a call: the callback, the bars, the log; and streams over slow sources."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
from dataclasses import FrozenInstanceError
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scripted import ScriptedBackend, scripted_generator

from ellmental_embeddings import (
    ConfigurationError,
    EmbeddingError,
    ModelInfo,
    Progress,
    QuotaExhausted,
    Unavailable,
    terminal_progress,
    tqdm_progress,
)
from ellmental_embeddings.progress import Reporter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ellmental_embeddings import Batch, EmbeddingGenerator

TEXTS = [f"text {number}" for number in range(40)]
CALLS: dict[str, Callable[..., list[int]]] = {
    "embed": lambda generator, texts, **how: [len(generator.embed(texts, **how))],
    "stream": lambda generator, texts, **how: [len(p) for p in generator.stream(texts, **how)],
    "as_completed": lambda generator, texts, on_error="", **how: [
        len(part) for _, part in generator.as_completed(texts, **how)
    ],
    "aembed": lambda generator, texts, **how: [len(asyncio.run(generator.aembed(texts, **how)))],
    "astream": lambda generator, texts, **how: asyncio.run(_parts(generator, texts, **how)),
}


async def _parts(generator: EmbeddingGenerator, texts: Any, **how: Any) -> list[int]:
    return [len(part) async for part in generator.astream(texts, **how)]


async def slow(backend: ScriptedBackend, batch: Batch) -> None:
    """A service that takes a moment."""
    await asyncio.sleep(0.05)


def watched(**script: Any) -> tuple[EmbeddingGenerator, ScriptedBackend]:
    """Ten batches of four, two at a time."""
    how = {"BATCH_SIZE": 4, "EMBEDDING_MAX_CONCURRENCY": 2}
    return scripted_generator(always=slow, settings=how, **script)


@pytest.mark.parametrize("call", CALLS)
def test_progress_from_the_first_text_to_the_last(call: str) -> None:
    """Texts only ever grow, up to all of them; the last record, and no other, says it is over."""
    seen: list[Progress] = []
    generator, _ = watched()
    with generator:
        CALLS[call](generator, TEXTS, progress=seen.append)
    texts = [progress.texts for progress in seen]
    assert texts == sorted(texts)
    assert len(set(texts)) > 1, "nothing was said while it ran"
    assert [progress.ended for progress in seen] == [False] * (len(seen) - 1) + [True]
    last = seen[-1]
    assert (last.texts, last.total, last.in_flight) == (40, 40, 0)
    assert (last.requests, last.retries, last.seconds_left) == (10, 0, 0.0)
    assert last.tokens == sum(map(len, TEXTS))
    assert any(0 < progress.in_flight <= 2 for progress in seen)
    assert any(progress.per_second > 0 and (progress.seconds_left or 0) > 0 for progress in seen)
    with pytest.raises(FrozenInstanceError):
        last.texts = 0  # type: ignore[misc]


@pytest.mark.parametrize("call", ["stream", "astream"])
def test_the_length_of_a_generator_is_not_known(call: str) -> None:
    """No total, and so no seconds that are left."""
    seen: list[Progress] = []
    generator, _ = watched()
    with generator:
        CALLS[call](generator, (text for text in TEXTS), progress=seen.append)
    assert {(progress.total, progress.seconds_left) for progress in seen} == {(None, None)}


def test_duplicates_refused_and_split_texts_are_texts_like_others() -> None:
    """All that were given are counted, however few were sent."""
    seen: list[Progress] = []
    generator, _ = scripted_generator()
    with generator:
        generator.embed(["a", "a", "", "b"], on_error="keep", progress=seen.append)
    assert (seen[-1].texts, seen[-1].total) == (4, 4)


def test_retries_are_counted() -> None:
    """A request that failed once is one more request, and one of them again."""

    def down(backend: ScriptedBackend, batch: Batch) -> None:
        raise Unavailable("503", retry_after=0.0)

    seen: list[Progress] = []
    generator, _ = watched(script=[down])
    with generator:
        generator.embed(TEXTS, progress=seen.append)
    assert (seen[-1].requests, seen[-1].retries) == (11, 1)


@pytest.mark.parametrize("call", CALLS)
def test_a_callback_that_raises_harms_nothing(call: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, and it is not called again; the call goes on."""
    called = []

    def broken(progress: Progress) -> None:
        called.append(progress)
        raise RuntimeError("no display")

    generator, _ = watched()
    with generator:
        assert sum(CALLS[call](generator, TEXTS, progress=broken)) == 40
    assert len(called) == 1
    messages = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert messages == [
        "the progress callback raised RuntimeError (no display): it is not called again"
    ]


def test_a_slow_callback_does_not_hold_up_the_engine() -> None:
    """It is called where the user waits, not where the engine works."""
    threads: set[threading.Thread] = set()
    done_meanwhile: list[int] = []
    generator, backend = watched()

    def draw(progress: Progress) -> None:
        threads.add(threading.current_thread())
        if not done_meanwhile:
            backend_before = len(backend.batches)
            threading.Event().wait(0.3)
            done_meanwhile.append(len(backend.batches) - backend_before)

    with generator:
        generator.embed(TEXTS, progress=draw)
    assert threads == {threading.current_thread()}
    assert done_meanwhile[0] >= 2


@pytest.mark.parametrize("call", CALLS)
def test_an_error_ends_the_progress_too(call: str) -> None:
    """So that no bar stays open."""

    def used_up(backend: ScriptedBackend, batch: Batch) -> None:
        raise QuotaExhausted("used up")

    seen: list[Progress] = []
    generator, _ = scripted_generator(always=used_up)
    with generator, pytest.raises(EmbeddingError):
        CALLS[call](generator, TEXTS, progress=seen.append)
    assert [progress.ended for progress in seen] == [True]


def test_a_cancelled_call_does_not_seem_to_be_whole(caplog: pytest.LogCaptureFixture) -> None:
    """Its last record tells how far it came, and so does the log: no bar jumps to its end."""
    seen: list[Progress] = []

    async def run(generator: EmbeddingGenerator) -> None:
        def look(progress: Progress) -> None:
            seen.append(progress)
            if 0 < progress.texts < 40:
                task.cancel()

        task = asyncio.ensure_future(generator.aembed(TEXTS, progress=look))
        with pytest.raises(asyncio.CancelledError):
            await task

    caplog.set_level(logging.INFO, "ellmental_embeddings")
    generator, _ = watched()
    with generator:
        asyncio.run(run(generator))
    assert seen[-1].ended
    assert 0 < seen[-1].texts < 40
    assert f"ended by CancelledError after {seen[-1].texts} of 40 texts" in caplog.text


def test_what_is_no_progress_is_refused_before_anything_is_sent() -> None:
    """A string can only be a mistake."""
    generator, backend = scripted_generator()
    with generator, pytest.raises(TypeError, match="progress is str: give True, or a function"):
        generator.embed(["a"], progress="yes")  # type: ignore[arg-type]
    assert not backend.batches


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """A slow beginning is forgotten after ten seconds."""
    seen: list[Progress] = []
    now = [0.0]
    reporter = Reporter(seen.append, range(1000), str, clock=lambda: now[0])
    for second in range(1, 61):
        now[0] = float(second)
        done = second if second < 40 else 40 + 20 * (second - 40)
        reporter.tally._ended[0] = done
        reporter.report()
    assert seen[20].per_second == pytest.approx(1, rel=0.1)
    assert seen[-1].per_second == pytest.approx(20, rel=0.1)
    assert seen[-1].seconds_left == pytest.approx((1000 - 440) / 20, rel=0.1)


def test_true_draws_a_tqdm_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """As other libraries do: a bar on stderr that ends full."""
    generator, _ = watched()
    with generator:
        generator.embed(TEXTS, progress=True)
        generator.embed(TEXTS, progress=tqdm_progress(desc="catalogue"))
    drawn = capsys.readouterr().err
    assert "40/40" in drawn
    assert "catalogue: 100%" in drawn
    assert " texts/s" in drawn


def test_without_tqdm_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent."""
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    generator, backend = scripted_generator()
    with generator, pytest.raises(ConfigurationError, match=r"pip install .*\[tqdm\]"):
        generator.embed(["a"], progress=True)
    assert not backend.batches


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_notebook_without_widgets_gets_a_line_and_no_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where ipywidgets is missing tqdm warns, which would end the call in a strict program."""
    kernel = SimpleNamespace(config={"IPKernelApp": {}})
    for name in ("tqdm.auto", "tqdm.autonotebook", "tqdm.notebook"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in ("ipywidgets", "IPython.html", "IPython.html.widgets"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: kernel))
    generator, _ = watched()
    with generator:
        generator.embed(TEXTS, progress=True)
    last = capsys.readouterr().err.rstrip().split("\r")[-1]
    assert "40/40" in last
    assert "in flight" not in last, "nothing is when all has ended"


def test_a_terminal_shows_rich_and_a_file_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich is imported where it draws, and only there."""
    for name in [name for name in sys.modules if name.split(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    generator, _ = watched()
    with generator:
        out = io.StringIO()
        generator.embed(TEXTS, progress=terminal_progress(stream=out))
        assert out.getvalue() == ""
        assert "rich" not in sys.modules
        out = _Terminal()
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "50")
        generator.embed(TEXTS, progress=terminal_progress("catalogue", stream=out))
    assert "catalogue" in out.getvalue()
    assert "40/40" in out.getvalue()
    assert "tokens" not in out.getvalue(), "a narrow terminal has no room for it"
    assert "/?" not in out.getvalue()
    assert " 0/s" not in out.getvalue().split("40/40")[0]


@pytest.mark.parametrize("call", CALLS)
def test_each_call_is_one_line_in_the_log(call: str, caplog: pytest.LogCaptureFixture) -> None:
    """At INFO, however many windows it was made of; with who answered, and what it took."""
    caplog.set_level(logging.INFO, "ellmental_embeddings")
    generator, _ = watched()
    with generator:
        CALLS[call](generator, [*TEXTS, *TEXTS])
    (line,) = [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    assert line.startswith("SCRIPTED, scripted: embedded 80 texts (")
    assert "requests, 0 of them again" in line
    tokens = sum(map(len, TEXTS)) * (1 if "embed" in call else 2)  # folded within a call, a window
    assert line.endswith(f", {tokens} tokens")


def test_failed_texts_are_no_embedded_ones_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A blank one among three; and a number of one is no plural."""
    caplog.set_level(logging.INFO, "ellmental_embeddings")
    generator, _ = scripted_generator(model=ModelInfo(name="two\nlines"))
    with generator:
        generator.embed(["a", "a", " "], on_error="keep")
    assert "SCRIPTED, two lines: embedded 2 of 3 texts (1 unique, 0 cached)" in caplog.text
    assert caplog.text.endswith(": 1 request, 0 of them again, 1 token\n")


def test_an_ended_call_says_so_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """By what, and after how much."""

    def used_up(backend: ScriptedBackend, batch: Batch) -> None:
        raise QuotaExhausted("used up")

    caplog.set_level(logging.INFO, "ellmental_embeddings")
    generator, _ = scripted_generator(always=used_up, model=ModelInfo())
    with generator, pytest.raises(QuotaExhausted):
        generator.embed(TEXTS)
    assert "SCRIPTED: ended by QuotaExhausted after 0 of 40 texts" in caplog.text


def test_a_slow_source_holds_no_text_back() -> None:
    """Two texts, then nothing for a minute: their vectors come meanwhile."""

    async def trickle() -> AsyncIterator[str]:
        yield "one"
        yield "two"
        await asyncio.sleep(60)

    async def first(generator: EmbeddingGenerator) -> int:
        async with asyncio.timeout(20):
            stream = generator.astream(trickle())
            async for part in stream:
                return len(part)
        return 0

    generator, _ = scripted_generator()
    with generator:
        assert asyncio.run(first(generator)) == 2


def test_a_finished_part_does_not_wait_for_the_next_window() -> None:
    """A full window is handed out while the source is silent."""

    async def trickle() -> AsyncIterator[str]:
        for text in TEXTS[:8]:
            yield text
        await asyncio.sleep(60)

    async def first(generator: EmbeddingGenerator) -> int:
        async with asyncio.timeout(20):
            async for part in generator.astream(trickle()):
                return len(part)
        return 0

    generator, _ = scripted_generator(settings={"BATCH_SIZE": 1})
    with generator:
        assert asyncio.run(first(generator)) == 8


@pytest.mark.parametrize("ended_by", ["closed", "error of the source"])
def test_a_source_is_closed_when_its_stream_ends(ended_by: str) -> None:
    """Whatever ends the stream: the async generator that feeds it runs its finally."""
    closed = []

    async def source() -> AsyncIterator[str]:
        try:
            for text in TEXTS:
                yield text
                if text == TEXTS[20] and ended_by != "closed":
                    raise LookupError("the source broke")
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    async def run(generator: EmbeddingGenerator) -> None:
        stream = generator.astream(source())
        async for _ in stream:
            if ended_by == "closed":
                break
        await stream.aclose()  # type: ignore[attr-defined]

    generator, _ = scripted_generator(settings={"BATCH_SIZE": 1})
    with generator:
        if ended_by == "closed":
            asyncio.run(run(generator))
        else:
            with pytest.raises(LookupError, match="the source broke"):
                asyncio.run(run(generator))
    assert closed == [True]
