"""Servers that imitate OpenAI, each with its oddities: right vectors, or a clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from openai_server import OpenAIServer
from server_witness import assert_right, embed, load, texts_of

from ellmental_embeddings import ConfigurationError, EmbeddingFailed, TextTooLong

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL = "standin-embed"
ALL = ["vllm", "old_vllm", "tei", "ollama", "lmstudio", "infinity", "llamacpp", "gateway"]


def ask(server: OpenAIServer, texts: Sequence[str], **settings: Any) -> Any:
    """Embed with the model that the imitated servers have."""
    return embed(server, texts, **{"OPENAI_MODEL": MODEL, **settings})


@pytest.mark.parametrize("profile", ALL)
def test_it_embeds(profile: str) -> None:
    """More texts than some take at once, from one generator: all right, none paid twice."""
    texts = texts_of(100)
    with OpenAIServer(profile) as server:
        with load(server, OPENAI_MODEL=MODEL, EMBEDDING_MAX_CONCURRENCY=4) as generator:
            result = generator.embed(texts)
            limits = generator.limits
            assert_right(result, texts, model=MODEL)
            before = len(server.bill.requests)
            more = generator.embed(texts_of(150)[100:])
            again = [seen.status for seen in server.bill.requests[before:]]
        assert_right(more, texts_of(150)[100:], model=MODEL)
        assert not server.bill.paid_twice()
        # What was learnt of the limit holds for later calls.
        assert (limits.items == 32) == (profile == "tei")
        assert set(again) == {200}


SHORTENS = {"tei", "ollama", "infinity", "gateway"}


@pytest.mark.parametrize("profile", ALL)
def test_dimensions_are_kept_or_refused(profile: str) -> None:
    """EMBEDDING_DIMENSIONS that a server ignores or refuses is an error, never a surprise."""
    with OpenAIServer(profile) as server:
        if profile in SHORTENS:
            result = ask(server, ["a", "b"], EMBEDDING_DIMENSIONS=8)
            assert_right(result, ["a", "b"], model=MODEL, dimensions=8)
        else:
            with pytest.raises(ConfigurationError, match="EMBEDDING_DIMENSIONS"):
                ask(server, ["a", "b"], EMBEDDING_DIMENSIONS=8)


@pytest.mark.parametrize("profile", ALL)
def test_more_dimensions_than_the_model_has(profile: str) -> None:
    """Nobody returns vectors of another width than was asked."""
    with (
        OpenAIServer(profile) as server,
        pytest.raises(ConfigurationError, match="EMBEDDING_DIMENSIONS"),
    ):
        ask(server, ["a", "b"], EMBEDDING_DIMENSIONS=9999)


@pytest.mark.parametrize("profile", [name for name in ALL if name not in {"tei", "llamacpp"}])
def test_a_model_it_does_not_have(profile: str) -> None:
    """Named by its variable, in one request."""
    with (
        OpenAIServer(profile) as server,
        pytest.raises(ConfigurationError, match="OPENAI_MODEL=other"),
    ):
        ask(server, ["a"], OPENAI_MODEL="other")
    assert len(server.bill.requests) == 1


@pytest.mark.parametrize("profile", ["vllm", "tei_strict", "llamacpp", "gateway"])
def test_a_text_that_is_too_long(profile: str) -> None:
    """Each has its own words and status for it; the text alone fails."""
    texts = texts_of(20)
    texts[7] = "word " * 9000
    with OpenAIServer(profile) as server:
        with pytest.raises(EmbeddingFailed) as caught:
            ask(server, texts)
        assert_right(caught.value.result, texts, model=MODEL, failed=[7])
        assert isinstance(caught.value.result.failed[7], TextTooLong)
        assert not server.bill.paid_twice()
        assert len(server.bill.requests) <= 12


def test_no_key_is_needed_where_none_is_asked() -> None:
    """A local server without a key: none set, none sent."""
    with OpenAIServer("ollama") as server:
        assert_right(ask(server, ["a"], OPENAI_API_KEY=None), ["a"], model=MODEL)
        assert server.bill.requests[0].key is None


def test_base64_that_is_refused_is_learnt() -> None:
    """A server that does not know encoding_format is asked without it, once for all."""
    with OpenAIServer(refuses=("encoding_format",)) as server:
        texts = texts_of(40)
        result = ask(server, texts, BATCH_SIZE=10, EMBEDDING_MAX_CONCURRENCY=1)
        assert_right(result, texts, model=MODEL)
        assert [seen.status for seen in server.bill.requests] == [400, 200, 200, 200, 200]
        assert not server.bill.paid_twice()


def test_lm_studio_without_v1() -> None:
    """Answers 200 with an error about the endpoint: names OPENAI_BASE_URL."""
    with (
        OpenAIServer("lmstudio") as server,
        pytest.raises(ConfigurationError, match=r"OPENAI_BASE_URL.*/v1"),
    ):
        ask(server, ["a"], OPENAI_BASE_URL=server.origin)


@pytest.mark.parametrize("limit", [1, 16])
def test_a_limit_that_is_learnt_from_its_refusal(limit: int) -> None:
    """A server that takes 1 or 16 texts and says so: learnt once, none paid twice."""
    texts = texts_of(64)
    with OpenAIServer("tei", items=limit) as server:
        result = ask(server, texts, EMBEDDING_MAX_CONCURRENCY=2)
        assert_right(result, texts, model=MODEL)
        assert not server.bill.paid_twice()
        statuses = [seen.status for seen in server.bill.requests]
        assert statuses.count(422) <= 2
        assert statuses.count(200) <= 2 * 64 // limit
