"""What the tests of Azure share: OPENAI's stand-in, and nothing of the developer's machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from openai_server import OpenAIServer

from ellmental_embeddings import load_generator
from ellmental_embeddings.engine import retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ellmental_embeddings import EmbeddingGenerator

    Load = Callable[..., EmbeddingGenerator]

_FOREIGN = ("OPENAI_", "AZURE_", "EMBEDDING", "IDENTITY_", "MSI_", "BATCH_SIZE")


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No .env, proxy or variable of the developer's machine reaches a test."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().startswith(_FOREIGN) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.05)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """The stand-in, fresh for the test."""
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def load(server: OpenAIServer) -> Load:
    """A loader with the stand-in's endpoint, key, deployment and a version it knows."""

    def loaded(**settings: Any) -> EmbeddingGenerator:
        given: dict[str, Any] = {
            "OPENAI_TYPE": "azure",
            "AZURE_OPENAI_ENDPOINT": server.origin,
            "AZURE_OPENAI_VERSION": "2024-10-21",
            "OPENAI_API_KEY": server.key,
            "OPENAI_MODEL": "my-deployment",
            "EMBEDDING_DEADLINE": 5,
            **settings,
        }
        return load_generator("OPENAI", **given)

    return loaded
