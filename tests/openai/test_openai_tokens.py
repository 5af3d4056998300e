"""Exact token counts: only with tiktoken's vocabulary at hand, and never over a network."""

from __future__ import annotations

import hashlib
import socket
from typing import TYPE_CHECKING

import pytest

from ellmental_embeddings import load_generator
from ellmental_embeddings_openai import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No remembered counter, and no network at all."""
    tokens.counter.cache_clear()

    def refuse(*_: object) -> None:
        raise AssertionError("something wants the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    tokens.counter.cache_clear()


def count(text: str) -> int | None:
    """Tokens as OPENAI counts them."""
    with load_generator(
        "OPENAI", OPENAI_API_KEY="sk-test-0123456789", OPENAI_MODEL="text-embedding-3-small"
    ) as generator:
        assert generator.most_tokens(text) == len(text.encode())
        return generator.count_tokens(text)


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_without_the_vocabulary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """Absent or damaged: not counted, nothing downloaded, the file left as it is."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    if content is not None:
        (tmp_path / tokens.VOCABULARY).write_bytes(content)
    assert count("größer") is None
    if content is not None:
        assert (tmp_path / tokens.VOCABULARY).read_bytes() == content


def test_with_the_cache_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty TIKTOKEN_CACHE_DIR would make tiktoken download each time."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert count("a") is None


def test_with_the_vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiktoken counts with what lies in its cache; here a vocabulary of single bytes."""
    tiktoken = pytest.importorskip("tiktoken", reason="an extra of ellmental-embeddings-openai")
    made = tiktoken.Encoding(
        "bytes",
        pat_str=r".+",
        mergeable_ranks={bytes([b]): b for b in range(256)},
        special_tokens={},
    )
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: made)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    (tmp_path / tokens.VOCABULARY).write_bytes(b"vocabulary")
    sha256 = hashlib.sha256(b"vocabulary").hexdigest()
    monkeypatch.setattr(tokens, "VOCABULARY_SHA256", sha256)
    assert count("größer") == 8


def test_the_names_are_tiktokens() -> None:
    """The cached file's name and checksum are those of the installed tiktoken."""
    source = pytest.importorskip("tiktoken_ext.openai_public", reason="tiktoken is an extra")
    import inspect

    text = inspect.getsource(source.cl100k_base)
    address = text.split('load_tiktoken_bpe(\n        "')[1].split('"')[0]
    assert hashlib.sha1(address.encode()).hexdigest() == tokens.VOCABULARY
    assert tokens.VOCABULARY_SHA256 in text


def test_other_servers_models_are_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their vocabularies are their own."""
    monkeypatch.setattr("ellmental_embeddings_openai.backend.counter", lambda: len)
    with load_generator(
        "OPENAI", OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_MODEL="bge-m3"
    ) as generator:
        assert generator.count_tokens("abc") is None
