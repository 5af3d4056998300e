"""What the tests of OPENAI share: the stand-in, and nothing of the developer's machine."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

import pytest
from openai_server import OpenAIServer
from server_tls import make_certificate

from ellmental_embeddings.engine import retry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOREIGN = ("OPENAI_", "AZURE_", "EMBEDDING", "IDENTITY_", "MSI_", "BATCH_SIZE")


@pytest.fixture(scope="session")
def few_authorities(tmp_path_factory: pytest.TempPathFactory) -> str | None:
    """A file with one certificate: to read all the world's takes each new client 50 ms."""
    if importlib.util.find_spec("cryptography") is None:
        return None
    return str(make_certificate(tmp_path_factory.mktemp("certificate"))[1])


@pytest.fixture(autouse=True)
def _own_surroundings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_authorities: str | None
) -> None:
    """No .env, proxy or variable of the developer's machine reaches a test."""
    monkeypatch.chdir(tmp_path)
    if few_authorities is not None:
        monkeypatch.setenv("SSL_CERT_FILE", few_authorities)
    for name in list(os.environ):
        if name.upper().startswith(_FOREIGN) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """The stand-in as OpenAI (and Azure), fresh for the test."""
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a hundredth of a second where users get half of one, and more."""
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.05)
