"""A call is spread over all cores, and comes out as if it were not."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ellmental_embeddings_local.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ellmental_embeddings_local.encoder import Encoder
    from ellmental_embeddings_local.tensors import Floats
    from ellmental_embeddings_local.wordpiece import WordPiece


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Three of them, whatever this machine has."""
    three = Workers(3)
    yield three
    three.close()


def test_a_small_call_uses_every_worker(
    encoder: Encoder, tokenizer: WordPiece, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty short texts fit one pass; each worker gets a third of them, at the same time."""
    texts = [tokenizer.ids(f"text number {place} of a small call") for place in range(50)]
    alone = encoder.encode(texts)
    together = threading.Barrier(workers.count, timeout=30)
    run = encoder._pass
    sizes: list[int] = []

    def passed(some: list[Any]) -> Floats:
        together.wait()  # breaks, unless all of them are at work at once
        sizes.append(len(some))
        return run(some)

    monkeypatch.setattr(encoder, "_pass", passed)
    spread = encoder.encode(texts, workers)
    assert sum(sizes) == 50
    assert max(sizes) <= 18
    assert np.allclose(spread, alone, atol=1e-5)


def test_a_single_text_is_one_pass(
    encoder: Encoder, tokenizer: WordPiece, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than a pass's worth is not torn apart: each part would read all the weights."""
    passes: list[int] = []
    run = encoder._pass

    def passed(some: list[Any]) -> Floats:
        passes.append(len(some))
        return run(some)

    monkeypatch.setattr(encoder, "_pass", passed)
    encoder.encode([tokenizer.ids("a"), tokenizer.ids("b")], workers)
    assert passes == [2]


def test_results_come_in_order_and_errors_come_out(workers: Workers) -> None:
    """As from ``map``; a failed item takes no worker with it."""
    assert workers.map(lambda number: number * 2, range(100)) == list(range(0, 200, 2))
    for _ in range(workers.count + 1):
        with pytest.raises(ZeroDivisionError):
            workers.map(lambda number: 1 // number, [1, 0, 2])
    assert workers.map(str, [1]) == ["1"]


def test_closed_workers_end_and_start_again() -> None:
    """Nothing is left running; a later use has new threads."""
    workers = Workers(2)
    thread = workers.map(lambda _: threading.current_thread(), [0])[0]
    workers.close()
    thread.join(10)
    assert not thread.is_alive()
    assert workers.map(str, [7]) == ["7"]
    workers.close()


def test_workers_that_are_closed_while_they_are_given_work() -> None:
    """The work is done all the same: a thread that is dismissed first would leave it undone."""
    workers, closed = Workers(1), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        workers.close()
        closed.set()
        yield 2

    workers.map(str, [0])
    done: list[list[str]] = []
    call = threading.Thread(target=lambda: done.append(workers.map(str, items())), daemon=True)
    call.start()
    call.join(10)
    assert closed.is_set()
    assert done == [["1", "2"]]
    workers.close()


def test_workers_that_nobody_closes_end_all_the_same() -> None:
    """A call under way when its generator is closed starts them anew: closed as they were."""
    workers = Workers(2)
    workers.close()
    thread = workers.map(lambda _: threading.current_thread(), [0])[0]
    del workers
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
