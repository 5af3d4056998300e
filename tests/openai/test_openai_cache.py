"""EMBEDDING_CACHE with the real SDK, against the stand-in that bills."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from server_vectors import vectors_of
from server_witness import SMALL, assert_right, embed, load, texts_of

if TYPE_CHECKING:
    import pytest
    from openai_server import OpenAIServer

CACHE = Path("cache")


def test_a_finished_call_is_never_paid_for_again(server: OpenAIServer) -> None:
    """The second run, by a generator of its own, makes no request at all."""
    texts = texts_of(300)
    first = embed(server, texts, EMBEDDING_CACHE=CACHE)
    assert len(server.bill.requests) == 6
    server.bill.forget()
    again = embed(server, texts[::-1], EMBEDDING_CACHE=CACHE)
    assert server.bill.requests == []
    assert_right(again, texts[::-1])
    assert np.array_equal(again.vectors[::-1], first.vectors)
    assert again.space == first.space
    assert (again.usage.requests, again.usage.cached) == (0, 300)


def test_other_models_and_widths_are_asked_for_anew(server: OpenAIServer) -> None:
    """One text, three spaces: each paid for once, each with its own vector."""
    for _ in range(2):
        for model, width in (
            (SMALL, None),
            (SMALL, 256),
            ("text-embedding-3-large", None),
        ):
            result = embed(
                server,
                ["a text"],
                OPENAI_MODEL=model,
                EMBEDDING_DIMENSIONS=width,
                EMBEDDING_CACHE=CACHE,
            )
            assert np.allclose(result.vectors, vectors_of(model, ["a text"], width), atol=1e-6)
    assert len(server.bill.requests) == 3


def test_a_stream_over_a_known_corpus_sends_what_is_new(server: OpenAIServer) -> None:
    """A corpus that grew: the old part is not sent, the new part is, once."""
    old, new = texts_of(1000), [f"new {number}" for number in range(50)]
    with load(server, EMBEDDING_CACHE=CACHE, EMBEDDING_DIMENSIONS=8) as generator:
        for _ in generator.stream(old):
            pass
    server.bill.forget()
    grown = [*old[:500], *new, *old[500:]]
    with load(server, EMBEDDING_CACHE=CACHE, EMBEDDING_DIMENSIONS=8) as generator:
        parts = list(generator.stream(iter(grown)))
    assert dict(server.bill.paid) == dict.fromkeys(new, 1)
    vectors = np.concatenate([part.vectors for part in parts])
    assert np.allclose(vectors, vectors_of(SMALL, grown, 8), atol=1e-6)


def test_no_key_is_in_the_file(server: OpenAIServer) -> None:
    """Neither the key nor a text stands in the cache."""
    embed(server, ["some private words"], EMBEDDING_CACHE=CACHE)
    content = b"".join(file.read_bytes() for file in Path().glob("cache*"))
    assert len(content) > 6144
    assert server.key.encode() not in content
    assert b"private" not in content


def test_a_second_run_of_a_finished_job_sends_nothing(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``ellmental embed`` into another folder, and a question asked twice: no request more."""
    for name, value in (
        ("EMBEDDING_GENERATOR", "OPENAI"),
        ("OPENAI_BASE_URL", server.url),
        ("OPENAI_API_KEY", server.key),
        ("OPENAI_MODEL", SMALL),
        ("EMBEDDING_CACHE", "cache"),
    ):
        monkeypatch.setenv(name, value)
    Path("a.txt").write_text("".join(f"line {number % 700}\n" for number in range(1400)))

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "ellmental_embeddings", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    run("embed", "a.txt", "-o", "one")
    found = run("search", "one", "line 7", "--json")
    assert sum(server.bill.paid.values()) <= 1401
    server.bill.forget()
    run("embed", "a.txt", "-o", "two")
    assert run("search", "two", "line 7", "--json") == found
    assert server.bill.requests == []


def test_the_command_line_pays_once(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes of ``ellmental vector``: one request."""
    for name, value in (
        ("EMBEDDING_GENERATOR", "OPENAI"),
        ("OPENAI_BASE_URL", server.url),
        ("OPENAI_API_KEY", server.key),
        ("OPENAI_MODEL", SMALL),
        ("EMBEDDING_CACHE", "~/vectors.cache"),
        ("HOME", str(Path.cwd())),
    ):
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "ellmental_embeddings", "vector", "a text", "another"]
    said = [
        subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        for _ in range(2)
    ]
    assert said[0] == said[1]
    assert len(server.bill.requests) == 1
    assert Path("vectors.cache").is_file()
