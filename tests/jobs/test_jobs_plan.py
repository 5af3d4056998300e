"""``ellmental plan``: what it says, held against what ``embed`` then does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ellmental_embeddings_jobs.distinct import Distinct
from ellmental_embeddings_jobs.prices import price_of

if TYPE_CHECKING:
    from tests.jobs.conftest import Run


def lines(number: int) -> str:
    """So many different lines."""
    return "".join(f"line number {place}\n" for place in range(number))


def plan_of(ellmental: Run, *arguments: object) -> dict[str, Any]:
    """What ``plan --json`` says."""
    ran = ellmental("plan", *arguments, "--json")
    assert ran.code == 0, ran.err
    said: dict[str, Any] = json.loads(ran.out)
    return said


def test_it_counts_what_embed_would_do(ellmental: Run) -> None:
    """Documents, blank lines, rows without text, different texts, requests, tokens."""
    Path("a.txt").write_text(lines(120) + "\n" + lines(30))
    Path("b.jsonl").write_text('{"text": "one more"}\n{"text": null}\n')
    plan = plan_of(ellmental, "a.txt", "b.jsonl")
    ran = ellmental("embed", "a.txt", "b.jsonl", "-o", "out", "--json")
    done = json.loads(ran.out.splitlines()[-1])
    assert plan["documents"] == done["documents"] == 151
    assert plan["texts"] == done["rows"] == 151
    assert plan["blank"] == done["blank"] == 1
    assert plan["unusable"] == done["failed"] == 1
    assert plan["distinct"] == plan["sent"] == 121
    assert plan["requests"] == 3
    assert plan["tokens"] == 120 * 3 + 2
    assert plan["tokens_exact"] is True


def test_it_splits_long_documents_as_embed_does(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces, not documents, are what is sent."""
    monkeypatch.setenv("SCRIPTED_LIMIT", "10")
    Path("long.md").write_text("# Head\n\n" + "Some words are here. " * 30)
    plan = plan_of(ellmental, "long.md")
    ran = ellmental("embed", "long.md", "-o", "out", "--json")
    done = json.loads(ran.out.splitlines()[-1])
    assert plan["documents"] == plan["split"] == 1
    assert plan["texts"] == done["rows"] > 10


def test_it_speaks_to_people(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line a figure; what is not known says what to do about it."""
    Path("a.txt").write_text(lines(130))
    ran = ellmental("plan", "a.txt")
    assert ran.out.splitlines() == [
        "documents   130",
        "texts       130, all different",
        "to be sent  130",
        "over-long   0",
        "requests    3",
        "tokens      390 (counted)",
        "price       not known for this model: say it with --price DOLLARS_PER_MILLION_TOKENS",
        (
            "time        not known: neither EMBEDDING_RPM nor EMBEDDING_TPM is set, and a service "
            "tells its limits only in answers (ellmental doctor --load 100 asks for some)"
        ),
    ]
    monkeypatch.setenv("EMBEDDING_RPM", "2")
    monkeypatch.setenv("EMBEDDING_TPM", "30")
    ran = ellmental("plan", "a.txt", "--price", "2.5")
    assert "price       $0.0010 at $2.5 a million tokens (as given by --price)" in ran.out
    assert "time        at least 12 min 0 s (EMBEDDING_RPM=2, EMBEDDING_TPM=30)" in ran.out
    monkeypatch.delenv("EMBEDDING_TPM")
    said = ellmental("plan", "a.txt").out
    assert "time        at least 1 min 0 s (EMBEDDING_RPM=2, EMBEDDING_TPM is not set)" in said
    monkeypatch.setenv("EMBEDDING_RPM", "100")
    assert (
        "time        no wait: one minute's share is enough (EMB" in ellmental("plan", "a.txt").out
    )


def test_a_bound_of_tokens_is_no_least_time(
    ellmental: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where tokens cannot be counted, the time they may take is not said to be the least."""
    monkeypatch.setenv("SCRIPTED_COUNTS", "false")
    monkeypatch.setenv("EMBEDDING_RPM", "3")
    monkeypatch.setenv("EMBEDDING_TPM", "600")
    Path("a.txt").write_text(lines(60))
    plan = plan_of(ellmental, "a.txt")
    assert plan["tokens_exact"] is False
    assert (plan["requests"], plan["tokens"]) == (2, 60 * 14 - 10)
    assert (plan["seconds"], plan["seconds_at_most"]) == (0, 60)
    assert "if it is as many tokens as the bound" in ellmental("plan", "a.txt").out


def test_duplicates_far_apart_are_said(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What embed pays for twice is not hidden; the remedy is named."""
    monkeypatch.setenv("BATCH_SIZE", "5")
    Path("a.txt").write_text(lines(60) * 2)
    ran = ellmental("plan", "a.txt")
    assert "texts       120, 60 of them different" in ran.out
    assert "of them again: identical texts far apart" in ran.out
    assert "EMBEDDING_CACHE" in ran.out


def test_it_says_what_the_cache_has(ellmental: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """After embedding with a cache, nothing is left to be sent."""
    monkeypatch.setenv("EMBEDDING_CACHE", "cache")
    Path("a.txt").write_text(lines(100))
    plan = plan_of(ellmental, "a.txt")
    assert (plan["sent"], plan["cached"]) == (100, 0)
    assert ellmental("embed", "a.txt", "-o", "out").code == 0
    Path("a.txt").write_text(lines(110))
    plan = plan_of(ellmental, "a.txt")
    assert (plan["sent"], plan["cached"], plan["requests"]) == (10, 100, 1)
    assert "to be sent  10, 100 are in the cache" in ellmental("plan", "a.txt").out


def test_bad_input_is_said_as_embed_says_it(ellmental: Run) -> None:
    """A missing file, a column nobody has, a price below nothing."""
    ran = ellmental("plan", "none.txt")
    assert (ran.code, ran.out) == (4, "")
    assert "none.txt does not exist" in ran.err
    Path("a.txt").write_text("\n\n")
    ran = ellmental("plan", "a.txt")
    assert (ran.code, ran.out) == (4, "")
    assert "there is no text in the input: it has no row with one: 2 blank lines." in ran.err
    Path("a.txt").write_text("a\n")
    assert ellmental("plan", "a.txt", "--column", "x").code == 2
    assert ellmental("plan", "a.txt", "--price", "-1").code == 2


def test_different_texts_are_counted_over_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count does not depend on how much is held in memory at a time."""
    monkeypatch.setattr("ellmental_embeddings_jobs.distinct._CHUNK", 7)
    for texts in ([], ["a"], ["a"] * 50, [str(number % 33) for number in range(100)]):
        with Distinct() as distinct:
            for text in texts:
                distinct.add(text)
            assert distinct.count() == len(set(texts))


def test_prices_are_known_only_for_what_they_are_of() -> None:
    """A model of OpenAI's name on another generator has no price; the user's own wins."""
    small = price_of("OPENAI (OPENAI_TYPE=azure)", "text-embedding-3-small", None)
    assert small is not None
    assert small.of(50_000_000) == pytest.approx(1.0)
    assert price_of("ACME", "text-embedding-3-small", None) is None
    given = price_of("LOCAL", "any", 3.0)
    assert given is not None
    assert given.per_million == 3.0
