"""Exact token counts: only with tiktoken's vocabulary at hand, and never over a network."""

from __future__ import annotations

import hashlib
import inspect
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tiktoken
import tiktoken_ext  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public

from ellmental_embeddings import ConfigurationError, EmbeddingGenerator, load_generator
from ellmental_embeddings_openai import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No remembered counter, and no network at all."""
    tokens.counter.cache_clear()
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})

    def refuse(*_: object) -> None:
        raise AssertionError("something wants the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    tokens.counter.cache_clear()


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiktoken's cache, with nothing in it."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def vocabulary(empty: Path) -> Path:
    """Tiktoken's cache with OpenAI's own vocabulary, as a download would leave it there."""
    (folder,) = {Path(place) for place in tiktoken_ext.__path__ if (Path(place) / "data").is_dir()}
    file = empty / tokens.VOCABULARY
    shutil.copyfile(folder / "data" / "cl100k_base.tiktoken", file)
    return file


def load(**settings: object) -> EmbeddingGenerator:
    """OPENAI at OpenAI's own address; nothing is sent."""
    given = {"OPENAI_API_KEY": "sk-test-0123456789", "OPENAI_MODEL": "text-embedding-3-small"}
    return load_generator("OPENAI", **{**given, **settings})


def count(text: str) -> int | None:
    """Tokens as OPENAI counts them."""
    with load() as generator:
        assert generator.most_tokens(text) == len(text.encode())
        return generator.count_tokens(text)


@pytest.mark.usefixtures("vocabulary")
@pytest.mark.parametrize(
    ("text", "number"),
    # The first two are in OpenAI's cookbook, "How to count tokens with tiktoken".
    [("tiktoken is great!", 6), ("antidisestablishmentarianism", 6), ("größer", 3), ("", 0)],
)
def test_with_the_vocabulary(text: str, number: int) -> None:
    """OpenAI's counts, from OpenAI's vocabulary, with no network."""
    assert count(text) == number


@pytest.mark.usefixtures("vocabulary")
def test_special_tokens_in_a_text_are_text() -> None:
    """A text that spells one is counted as the service counts it: letter by letter, no error."""
    assert (count("<|endoftext|>") or 0) > 1


@pytest.mark.usefixtures("vocabulary")
def test_a_megabyte_of_blanks_is_counted() -> None:
    """The regular expressions of tiktoken give up there with what is no Exception."""
    assert count("a" + " " * 1_000_000 + "b") == 1 + 7_813 + 1


@pytest.mark.usefixtures("vocabulary")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(st.sampled_from(" \t\n\r\x1c\xa0\u2028ab1!,'")))
def test_cutting_at_gaps_changes_no_count(text: str) -> None:
    """Whatever stands around a gap, its parts have as many tokens as the whole."""
    exact = tokens.counter()
    assert exact is not None
    whole = exact(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_LONG_GAP", tokens._gaps(2))
        assert exact(text) == whole


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_without_the_vocabulary(empty: Path, content: bytes | None) -> None:
    """Absent or damaged: not counted, nothing downloaded, the file left as it is."""
    if content is not None:
        (empty / tokens.VOCABULARY).write_bytes(content)
    assert count("größer") is None
    assert "is not in its cache" in tokens.missing()
    if content is not None:
        assert (empty / tokens.VOCABULARY).read_bytes() == content


def test_with_the_cache_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty TIKTOKEN_CACHE_DIR would make tiktoken download each time."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert count("a") is None
    assert "which is empty" in tokens.missing()


@pytest.mark.usefixtures("vocabulary")
def test_without_tiktoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not installed: not counted, although its vocabulary lies there."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    assert count("a") is None
    assert "pip install 'ellmental-embeddings-openai[tokens]'" in tokens.missing()


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    "settings", [{"OPENAI_TOKENIZER": "cl100k_base"}, {"OPENAI_MAX_TEXT_TOKENS": 512}]
)
def test_what_needs_counts_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], *, installed: bool
) -> None:
    """Asked to count, or to keep a limit that OpenAI does not keep: refused with the remedy."""
    if not installed:
        monkeypatch.setitem(sys.modules, "tiktoken", None)
    remedy = "set TIKTOKEN_CACHE_DIR" if installed else "ellmental-embeddings-openai.tokens."
    with pytest.raises(ConfigurationError, match=remedy) as caught:
        load(**settings)
    assert next(iter(settings)) in str(caught.value)


@pytest.mark.usefixtures("empty")
def test_openais_own_limit_needs_no_counts() -> None:
    """OPENAI_MAX_TEXT_TOKENS=8192 is what OpenAI keeps by refusing."""
    with load(OPENAI_MAX_TEXT_TOKENS=8192) as generator:
        assert generator.limits.tokens_per_text == 8192


def test_the_names_are_tiktokens() -> None:
    """The cached file's name and checksum are those of the installed tiktoken."""
    text = inspect.getsource(openai_public.cl100k_base)
    address = text.split('load_tiktoken_bpe(\n        "')[1].split('"')[0]
    assert hashlib.sha1(address.encode()).hexdigest() == tokens.VOCABULARY
    assert tokens.VOCABULARY_SHA256 in text


@pytest.mark.usefixtures("vocabulary")
def test_other_servers_models_are_not_counted() -> None:
    """Their vocabularies are their own; unless the user says that it is OpenAI's."""
    other = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_MODEL": "bge-m3"}
    with load(**other) as generator:
        assert generator.count_tokens("tiktoken is great!") is None
    with load(**other, OPENAI_TOKENIZER="CL100K_base ") as generator:
        assert generator.count_tokens("tiktoken is great!") == 6
