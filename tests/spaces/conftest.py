"""What the tests of the spaces plugin share."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stand_in import StandIn
from stand_in_gradio import StandInGradio
from vectors_behind import fake_vector

from ellmental_embeddings import load_generator
from ellmental_embeddings.engine import retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from ellmental_embeddings import EmbeddingGenerator

    Load = Callable[..., EmbeddingGenerator]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable, no proxy and no .env of the machine reaches a test."""
    for name in list(os.environ):
        if name.upper().startswith(("EMBEDDING", "SPACES_", "HF_", "BATCH_SIZE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first wait before a retry is a fiftieth of what it is."""
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)


@pytest.fixture
def server() -> Iterator[StandIn]:
    """A server that answers nothing yet."""
    with StandIn() as running:
        yield running


@pytest.fixture
def hub() -> Iterator[StandIn]:
    """A stand-in for the Hub."""
    with StandIn() as running:
        yield running


@pytest.fixture
def gradio() -> Iterator[StandInGradio]:
    """A Gradio of recorded shape, as 5.x is."""
    with StandInGradio() as running:
        yield running


@pytest.fixture
def load() -> Iterator[Load]:
    """``load_generator`` for a URL; all are closed at the end."""
    with ExitStack() as opened:

        def loaded(url: str, name: str = "SPACES_TEXT", **settings: Any) -> EmbeddingGenerator:
            given = {"EMBEDDING_DEADLINE": 20, "EMBEDDING_TIMEOUT": 10, **settings}
            generator = load_generator(name, EMBEDDINGS_GENERATION_URL=url, **given)
            return opened.enter_context(generator)

        yield loaded


@pytest.fixture
def right() -> Callable[[Iterable[str]], NDArray[np.float32]]:
    """The one right matrix of texts."""

    def vectors(texts: Iterable[str], instruction: str = "") -> NDArray[np.float32]:
        return np.array([fake_vector(text, instruction) for text in texts], np.float32)

    return vectors
