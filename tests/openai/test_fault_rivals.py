"""Each failure measured in other systems, by name: it must not happen here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from openai_server import OpenAIServer
from server_vectors import count_tokens
from server_witness import SMALL, assert_right, embed, load, texts_of

from ellmental_embeddings import (
    EmbeddingFailed,
    QuotaExhausted,
    SpaceMismatch,
    TextTooLong,
)
from ellmental_embeddings.engine import ledger

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def slow() -> Iterator[OpenAIServer]:
    """The stand-in with 50 ms before each answer."""
    with OpenAIServer(latency=0.05) as running:
        yield running


def test_out_of_order_index(server: OpenAIServer) -> None:
    """Llm, langchain, llama-index, haystack, daft: vectors on the wrong texts."""
    server.script.always("reordered")
    texts = texts_of(25)
    assert_right(embed(server, texts, BATCH_SIZE=7), texts)


@pytest.mark.parametrize("fault", ["dropped", "dropped_first"])
def test_one_vector_dropped(server: OpenAIServer, fault: str) -> None:
    """Llm stores 4 of 5; langchain, llama-index, litellm, daft return fewer rows, no error."""
    server.script.next(fault)
    texts = texts_of(5)
    assert_right(embed(server, texts), texts)
    assert not server.bill.paid_twice()


def test_one_bad_text_in_a_hundred(server: OpenAIServer) -> None:
    """Llm, langchain, Baseten lose everything, haystack the batch: here one text fails."""
    texts = texts_of(100)
    texts[77] = "x" * 40_000
    with pytest.raises(EmbeddingFailed) as caught:
        embed(server, texts, BATCH_SIZE=50)
    assert_right(caught.value.result, texts, failed=[77])
    assert not server.bill.paid_twice()


@pytest.mark.parametrize("blank", ["", " ", "\n\t "])
def test_blank_text_does_not_kill_the_batch(server: OpenAIServer, blank: str) -> None:
    """Others fail the whole batch with `'$.input' is invalid`."""
    texts = ["a", blank, "b"]
    result = embed(server, texts, on_error="keep")
    assert_right(result, texts, failed=[1])
    assert len(server.bill.requests) == 1


def test_newlines_reach_the_service(server: OpenAIServer) -> None:
    """Llama-index replaces newlines in the user's text by spaces."""
    texts = ["one\ntwo", "one two", " lead and trail \n", "tab\there", "e\u0301", "\u00e9"]
    assert_right(embed(server, texts), texts)
    assert server.bill.requests[0].texts == tuple(texts)


def test_two_models_of_one_width_do_not_mix(server: OpenAIServer) -> None:
    """Nobody refuses it: ada and 3-small both make 1,536 dimensions."""
    small = embed(server, ["a"])
    ada = embed(server, ["a"], OPENAI_MODEL="text-embedding-ada-002")
    assert small.dimensions == ada.dimensions
    with pytest.raises(SpaceMismatch, match="text-embedding-ada-002"):
        small.similarity(ada)


@pytest.mark.parametrize("role", ["document", "query"])
def test_roles_are_not_mixed(server: OpenAIServer, role: str) -> None:
    """A query's prefix makes another text, and another vector."""
    settings = {
        "EMBEDDING_DOCUMENT_INSTRUCTION": "passage: ",
        "EMBEDDING_QUERY_INSTRUCTION": "query: ",
    }
    with load(server, **settings) as generator:
        result = generator.embed(["a"], role="query" if role == "query" else "document")
    assert_right(result, ["passage: a" if role == "document" else "query: a"])


def test_cut_texts_are_reported() -> None:
    """Nobody reports which texts were cut; here an over-long text fails, unless asked to cut."""
    texts = ["short", "word " * 9000]
    with OpenAIServer() as server:
        result = embed(server, texts, on_error="keep")
        assert isinstance(result.failed[1], TextTooLong)
        assert_right(result, texts, failed=[1])


def test_identical_texts_are_paid_once(server: OpenAIServer) -> None:
    """Within a call, however often they stand there."""
    texts = ["a", "b", "a", "c", "b", "a"] * 20
    assert_right(embed(server, texts, BATCH_SIZE=2), texts)
    assert server.bill.paid == {"a": 1, "b": 1, "c": 1}


def test_many_requests_in_flight(slow: OpenAIServer) -> None:
    """Langchain and haystack have one: of a hundred batches at least twenty are, together."""
    texts = texts_of(1000)
    result = embed(slow, texts, BATCH_SIZE=10, EMBEDDING_DIMENSIONS=8)
    assert_right(result, texts, dimensions=8)
    assert slow.most_in_flight >= 20


def test_never_more_in_flight_than_allowed(slow: OpenAIServer) -> None:
    """Llama-index gathers without bound."""
    embed(slow, texts_of(300), BATCH_SIZE=5, EMBEDDING_MAX_CONCURRENCY=7, EMBEDDING_DIMENSIONS=8)
    assert slow.most_in_flight == 7


@pytest.mark.parametrize("known", [2048, None], ids=["set", "learnt"])
def test_five_thousand_texts_are_no_one_request(server: OpenAIServer, known: int | None) -> None:
    """Litellm and pydantic-ai send 5,000 inputs at once; the limit is 2,048."""
    texts = texts_of(5000)
    result = embed(server, texts, BATCH_SIZE=5000, EMBEDDING_DIMENSIONS=4, OPENAI_MAX_INPUTS=known)
    assert_right(result, texts, dimensions=4)
    refused = [seen.status for seen in server.bill.requests].count(400)
    assert refused == (0 if known else 1)
    assert len(server.bill.requests) - refused <= 4
    assert server.bill.paid.total() == 5000


def test_a_request_stays_below_the_token_limit(server: OpenAIServer) -> None:
    """Litellm and pydantic-ai ignore the 300,000 tokens a request."""
    texts = [f"{place} " + "x" * 8000 for place in range(300)]
    result = embed(server, texts, BATCH_SIZE=300, EMBEDDING_DIMENSIONS=4)
    assert_right(result, texts, dimensions=4)
    assert all(seen.status == 200 for seen in server.bill.requests)
    assert sum(map(count_tokens, texts)) > 600_000
    assert not server.bill.paid_twice()


def test_base64_is_asked_for(server: OpenAIServer) -> None:
    """Haystack and daft ask for float JSON: four times the bytes."""
    embed(server, ["a"])
    assert server.bill.requests[0].body is not None
    assert server.bill.requests[0].body["encoding_format"] == "base64"


@pytest.mark.usefixtures("quick_retries")
def test_one_owner_of_retries(server: OpenAIServer) -> None:
    """Llama-index makes 12 attempts of 3; daft met one 429 on 64 texts with 68 requests."""
    server.script.next("rate_limited", after=0.1, how="ms")
    texts = texts_of(64)
    assert_right(embed(server, texts, BATCH_SIZE=64), texts)
    assert len(server.bill.requests) == 2
    assert {seen.headers.get("x-stainless-retry-count", "0") for seen in server.bill.requests} == {
        "0"
    }


def test_quota_is_asked_once(server: OpenAIServer) -> None:
    """Llama-index tries `insufficient_quota` 12 times."""
    server.script.always("insufficient_quota")
    with pytest.raises(QuotaExhausted):
        embed(server, texts_of(10))
    assert len(server.bill.requests) == 1


def test_a_token_budget_counts_embeddings(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Llama-index counts embeddings as 0 tokens. A minute lasts a second here."""
    monkeypatch.setattr(ledger, "MINUTE", 1.0)
    monkeypatch.setattr(ledger, "_MARGIN", 0.0)
    texts = [f"{place:04}" + "y" * 96 for place in range(30)]
    began = time.monotonic()
    result = embed(server, texts, BATCH_SIZE=1, EMBEDDING_TPM=350, EMBEDDING_DIMENSIONS=4)
    assert_right(result, texts, dimensions=4)
    assert time.monotonic() - began > 1.9
    for seen in server.bill.requests:
        window = [
            sum(map(count_tokens, one.texts))
            for one in server.bill.requests
            if seen.at - 0.95 < one.at <= seen.at
        ]
        assert sum(window) <= 350


@pytest.mark.parametrize(("in_flight", "refused"), [(1, 0), (2, 6)])
def test_headers_are_believed_before_a_refusal(in_flight: int, refused: int) -> None:
    """Nobody paces by the rate-limit headers: here they spare the 429s that they foretell."""
    texts = texts_of(120)
    with OpenAIServer(rpm=10, window=0.5, latency=0.01) as server:
        result = embed(
            server,
            texts,
            BATCH_SIZE=4,
            EMBEDDING_MAX_CONCURRENCY=in_flight,
            EMBEDDING_DIMENSIONS=4,
        )
        assert_right(result, texts, dimensions=4)
        assert server.rate.refused <= refused


def test_what_was_finished_is_kept(server: OpenAIServer) -> None:
    """A langchain cache keeps 0 of 99 when the last text is bad; here all 99 are at hand."""
    texts = texts_of(100)
    texts[99] = "poison"
    server.script.when("poison", "invalid_input")
    with pytest.raises(EmbeddingFailed) as caught:
        embed(server, texts, BATCH_SIZE=10)
    assert_right(caught.value.result, texts, failed=[99])
    assert not server.bill.paid_twice()
    assert not server.bill.never_paid(texts[:99])


def test_one_generator_for_all_threads_and_loops(server: OpenAIServer) -> None:
    """An AsyncOpenAI belongs to one loop: two runs with one generator must not fail."""
    import asyncio

    with load(server, EMBEDDING_DIMENSIONS=4) as generator:
        first = asyncio.run(generator.aembed(["a"]))
        second = asyncio.run(generator.aembed(["a"]))
        third = generator.embed(["a"])
    assert np.array_equal(first.vectors, second.vectors)
    assert np.array_equal(first.vectors, third.vectors)
    assert len({seen.peer for seen in server.bill.requests}) == 1
    assert server.bill.requests[0].body is not None
    assert server.bill.requests[0].body["model"] == SMALL
