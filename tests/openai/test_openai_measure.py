"""OPENAI_TOKENIZER and OPENAI_MAX_TEXT_TOKENS: a limit that is set is kept, or refused."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_server import OpenAIServer
from server_witness import SMALL, texts_of
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from ellmental_embeddings import ConfigurationError, EmbeddingGenerator, TextTooLong, load_generator
from ellmental_embeddings_local.weights import BUILTIN_VOCABULARY
from ellmental_embeddings_openai.measure import Measure, measure_named

if TYPE_CHECKING:
    from pathlib import Path

GROWING = "\ufdfa\ufb03\u0130\u1e9b\u00b8\U0001fbf0\ud55cé漢 aA"
"""Characters that normalising lengthens, and others between them."""
LONG = " ".join(f"word{number}" for number in range(300))


def bert() -> Tokenizer:
    """MiniLM's tokenizer as its tokenizer.json has it: it cuts and pads to 128 tokens."""
    lines = BUILTIN_VOCABULARY.read_text(encoding="utf-8").splitlines()
    made = Tokenizer(
        models.WordPiece({piece: i for i, piece in enumerate(lines)}, unk_token="[UNK]")
    )
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 102), ("[CLS]", 101))
    made.enable_truncation(128)
    made.enable_padding(length=128)
    return made


def unigram() -> Tokenizer:
    """Like SentencePiece's: NFKC, a mark before each word, a piece a character, then bytes."""
    pieces = [("<unk>", -20.0), ("\u2581", -5.0), *((chr(code), -6.0) for code in range(97, 123))]
    pieces += [(f"<0x{byte:02X}>", -9.0) for byte in range(256)]
    made = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    return made


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A folder as a model's authors publish it, as far as it matters here."""
    bert().save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def load(server: OpenAIServer, **given: Any) -> EmbeddingGenerator:
    """OPENAI at a server that cuts long texts without a word."""
    base = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": server.key, "OPENAI_MODEL": SMALL}
    return load_generator("OPENAI", **{**base, **given})


def test_a_tokenizer_file_counts_what_the_model_counts(tokenizer: Path) -> None:
    """Special tokens included, and beyond the length that the file cuts and pads to."""
    measure = measure_named(str(tokenizer))
    assert measure.count("hello world") == 4
    assert measure.count("hello " * 1000) == 1002
    assert measure_named(str(tokenizer / "tokenizer.json")).count("hello world") == 4


@pytest.fixture(scope="module")
def measures(tmp_path_factory: pytest.TempPathFactory) -> list[Measure]:
    """One of each kind of tokenizer."""
    made = []
    for make in (bert, unigram):
        folder = tmp_path_factory.mktemp(make.__name__)
        make().save(str(folder / "tokenizer.json"))
        made.append(measure_named(str(folder)))
    return made


@given(text=st.text(max_size=40) | st.text(st.sampled_from(GROWING), max_size=20))
def test_the_bound_is_one(measures: list[Measure], text: str) -> None:
    """No text has more tokens than its cheap bound, whatever its tokenizer normalises."""
    for measure in measures:
        count = measure.count(text)
        assert count is not None
        assert count <= measure.most(text)


@pytest.mark.parametrize("how", ["file", "bytes"])
@pytest.mark.parametrize("policy", ["error", "truncate", "average"])
def test_a_limit_that_is_set_is_kept(tokenizer: Path, how: str, policy: str) -> None:
    """Nothing longer reaches a server that would cut it without a word; each text says so."""
    name = str(tokenizer) if how == "file" else "bytes"
    texts = [*texts_of(5), LONG]
    with (
        OpenAIServer("ollama") as server,
        load(
            server,
            OPENAI_MAX_TEXT_TOKENS=100,
            OPENAI_TOKENIZER=name,
            EMBEDDING_OVERLONG=policy,
        ) as generator,
    ):
        result = generator.embed(texts, on_error="keep")
        sent = [text for one in server.bill.requests for text in one.texts]
    count = measure_named(name).count
    assert all((count(text) or 0) <= 100 for text in sent)
    outcome = result.outcomes[5]
    assert outcome.tokens_from == count(LONG)
    assert (
        outcome.status == {"error": "failed", "truncate": "truncated", "average": "split"}[policy]
    )
    assert list(result.failed) == ([5] if policy == "error" else [])
    if policy == "error":
        assert isinstance(outcome.error, TextTooLong)
        assert "EMBEDDING_OVERLONG" in str(outcome.error)


def test_a_text_whose_bytes_are_over_but_tokens_are_not_is_sent_whole(tokenizer: Path) -> None:
    """The limit is one of tokens: bytes only spare the counting."""
    text = "hello world " * 45
    with (
        OpenAIServer("ollama") as server,
        load(server, OPENAI_MAX_TEXT_TOKENS=100, OPENAI_TOKENIZER=str(tokenizer)) as generator,
    ):
        assert generator.most_tokens(text) > 100
        assert not generator.embed([text]).failed
        assert server.bill.requests[0].texts == (text,)


@pytest.mark.parametrize("kind", ["openai", "azure"])
def test_a_limit_that_nobody_could_keep_is_refused(kind: str) -> None:
    """Before anything is sent, with each way to have it kept."""
    where = {
        "openai": {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
        "azure": {
            "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:9",
            "AZURE_OPENAI_VERSION": "v1",
            "OPENAI_API_KEY": "0123456789",
        },
    }[kind]
    with pytest.raises(ConfigurationError) as caught:
        load_generator(
            "OPENAI", OPENAI_TYPE=kind, OPENAI_MODEL="m", OPENAI_MAX_TEXT_TOKENS=512, **where
        )
    for words in ("OPENAI_MAX_TEXT_TOKENS=512", "OPENAI_TOKENIZER", "cl100k_base", "bytes"):
        assert words in str(caught.value)


@pytest.mark.parametrize("name", ["no/such/file.json", "cl100k", "."])
def test_a_tokenizer_that_is_not_there(name: str) -> None:
    """Named with what may be set; a folder without a tokenizer.json is none."""
    with OpenAIServer() as server, pytest.raises(ConfigurationError) as caught:
        load(server, OPENAI_TOKENIZER=name)
    assert "OPENAI_TOKENIZER" in str(caught.value)
    assert "tokenizer.json, to cl100k_base, or to bytes" in str(caught.value)


@pytest.mark.parametrize("content", ["", "{}", json.dumps({"model": {"type": "Wrong"}}), "\0"])
def test_a_tokenizer_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    """Told with its file, never a traceback of the library's."""
    file = tmp_path / "tokenizer.json"
    file.write_text(content)
    with OpenAIServer() as server, pytest.raises(ConfigurationError) as caught:
        load(server, OPENAI_TOKENIZER=str(tmp_path))
    assert f"{file} cannot be read as a tokenizer" in str(caught.value)


def test_without_the_tokenizers_package(tokenizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told with what to install."""
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with OpenAIServer() as server, pytest.raises(ConfigurationError) as caught:
        load(server, OPENAI_TOKENIZER=str(tokenizer))
    assert "pip install 'ellmental-embeddings-openai[tokenizers]'" in str(caught.value)


def test_a_refusal_says_how_to_have_texts_cut() -> None:
    """A server that refuses a long text, asked to truncate: told what is needed for that."""
    with (
        OpenAIServer("vllm") as server,
        load(server, EMBEDDING_OVERLONG="truncate") as generator,
    ):
        result = generator.embed(["short", "word " * 9000], on_error="keep")
    assert "set OPENAI_MAX_TEXT_TOKENS and OPENAI_TOKENIZER" in str(result.failed[1])
