"""OPENAI_*: what is missing, wrong, or silently right. Nothing is ever sent here."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from ellmental_embeddings import (
    ConfigurationError,
    EmbeddingGenerator,
    describe_generator,
    installed_generators,
    load_generator,
)
from ellmental_embeddings.cli.config import command
from ellmental_embeddings_openai.address import is_openai, normalised_url
from ellmental_embeddings_openai.models import canonical, mistaken_name

KEY = "sk-for-tests-only-0123456789"
LOCAL = "http://127.0.0.1:9/v1"


def openai(**settings: Any) -> EmbeddingGenerator:
    """OPENAI from these settings alone."""
    return load_generator("OPENAI", **settings)


def test_all_that_is_missing_is_named_at_once() -> None:
    """Key and model, each with what it is for."""
    with pytest.raises(ConfigurationError) as caught:
        openai()
    assert "  OPENAI_API_KEY: Your API key" in str(caught.value)
    assert "  OPENAI_MODEL: The embedding model" in str(caught.value)
    assert caught.value.missing == ("OPENAI_API_KEY", "OPENAI_MODEL")


def test_what_a_server_of_ones_own_does_not_need_is_not_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What lists generators says the same as the error: the key depends on the address."""
    assert describe_generator("OPENAI").missing == ("OPENAI_API_KEY", "OPENAI_MODEL")
    monkeypatch.setenv("OPENAI_BASE_URL", LOCAL)
    assert describe_generator("OPENAI").missing == ("OPENAI_MODEL",)
    (listed,) = [one for one in installed_generators() if one.variant == ("OPENAI_TYPE", "openai")]
    assert listed.missing == ("OPENAI_MODEL",)


def test_the_template_begins_with_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is needed for OpenAI and not for a server of one's own: so the .env asks for it."""

    def asked_for() -> list[str]:
        said = CliRunner().invoke(command, ["-g", "OPENAI", "--template"]).output
        return [line for line in said.splitlines() if line.endswith("=") and line[0] != "#"]

    assert sorted(asked_for()) == ["OPENAI_API_KEY=", "OPENAI_MODEL="]
    monkeypatch.setenv("OPENAI_BASE_URL", LOCAL)
    assert asked_for() == ["OPENAI_MODEL="]


def test_a_summary_has_one_bracket() -> None:
    """The variant, the model and the width stand together."""
    with openai(OPENAI_API_KEY=KEY, OPENAI_MODEL="text-embedding-3-small") as generator:
        expected = "OPENAI (OPENAI_TYPE=openai, text-embedding-3-small, 1536 dimensions)"
        assert generator.summary == expected


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_blank_is_missing(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty and blank variables are named like absent ones; an empty URL is the default."""
    for name in ("OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, blank)
    with pytest.raises(ConfigurationError, match=r"(?s)OPENAI_API_KEY: .*OPENAI_MODEL: "):
        openai()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_MODEL", "text-embedding-3-small")
    with openai() as generator:
        assert generator.settings.openai_base_url == "https://api.openai.com/v1"  # type: ignore[attr-defined]


def test_another_server_needs_no_key() -> None:
    """Its model is its own business, too."""
    with openai(OPENAI_BASE_URL=LOCAL, OPENAI_MODEL="gpt-4") as generator:
        assert generator.model.name == "gpt-4"
        assert generator.dimensions is None
        assert generator.limits.items is None


@pytest.mark.parametrize("key", [f" {KEY}\n", f"{KEY}\r\n", f"\t{KEY}"])
def test_white_space_around_a_key_is_dropped(key: str) -> None:
    """A trailing newline from a file or a secret store does no harm."""
    with openai(OPENAI_API_KEY=key, OPENAI_MODEL="text-embedding-3-small") as generator:
        assert generator.settings.openai_api_key.get_secret_value() == KEY  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", ["sk-äöü", "sk-“quoted”", "sk-a\nb"])
def test_keys_that_no_header_can_hold(key: str) -> None:
    """Refused by the variable's name; the key is not shown."""
    with pytest.raises(ConfigurationError, match=r"OPENAI_API_KEY.*no key has") as caught:
        openai(OPENAI_API_KEY=key, OPENAI_MODEL="text-embedding-3-small")
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("text-embeddings-ada-002", "called text-embedding-ada-002"),
        ("gpt-4", "gpt-4 makes no embeddings.*text-embedding-3-small"),
        ("gpt-4o-mini", "makes no embeddings"),
        ("gpt-3.5-turbo", "makes no embeddings"),
        ("o3-mini", "makes no embeddings"),
        ("text-davinci-003", "makes no embeddings"),
        ("whisper-1", "makes no embeddings"),
    ],
)
def test_models_that_make_no_embeddings(model: str, words: str) -> None:
    """Refused before anything is sent, with what to use instead."""
    with pytest.raises(ConfigurationError, match=f"OPENAI_MODEL.*{words}"):
        openai(OPENAI_API_KEY=KEY, OPENAI_MODEL=model)


@pytest.mark.parametrize(
    "model", ["text-embedding-3-small", "text-embedding-4-huge", "omni-embed", "my-finetune"]
)
def test_models_that_may_exist(model: str) -> None:
    """What is not known to be wrong is sent."""
    assert mistaken_name(model, "OPENAI_MODEL") is None


def test_names_that_answers_give() -> None:
    """OpenAI answers ada-002 with a suffix; other names are left alone."""
    assert canonical("text-embedding-ada-002-v2") == "text-embedding-ada-002"
    assert canonical("nomic-embed-text-v2") == "nomic-embed-text-v2"
    assert canonical("") is canonical(None) is None


@pytest.mark.parametrize(
    ("model", "asked", "words"),
    [
        ("text-embedding-3-small", 1537, "1536 dimensions at most"),
        ("text-embedding-3-large", 4096, "3072 dimensions at most"),
        ("text-embedding-ada-002", 256, "cannot shorten"),
    ],
)
def test_widths_that_openai_would_refuse(model: str, asked: int, words: str) -> None:
    """Refused before anything is sent."""
    with pytest.raises(ConfigurationError, match=f"EMBEDDING_DIMENSIONS={asked}.*{words}"):
        openai(OPENAI_API_KEY=KEY, OPENAI_MODEL=model, EMBEDDING_DIMENSIONS=asked)


def test_what_is_known_before_the_first_request() -> None:
    """Limits, width and model of OpenAI's own."""
    with openai(OPENAI_API_KEY=KEY, OPENAI_MODEL="text-embedding-3-large") as generator:
        limits = generator.limits
        assert (limits.items, limits.tokens, limits.tokens_per_text) == (2048, 300_000, 8192)
        assert generator.dimensions == 3072
        assert generator.space.normalised
    with openai(
        OPENAI_BASE_URL=LOCAL,
        OPENAI_MODEL="bge-m3",
        OPENAI_MAX_INPUTS=32,
        OPENAI_MAX_REQUEST_TOKENS=16384,
        OPENAI_MAX_TEXT_TOKENS=512,
        OPENAI_TOKENIZER="bytes",
    ) as generator:
        limits = generator.limits
        assert (limits.items, limits.tokens, limits.tokens_per_text) == (32, 16384, 512)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        (" 'HTTP://localhost:8000/v1//' \n", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/embeddings", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/embeddings/", "http://localhost:8000/v1"),
        ("https://gateway.example/a/b/v1/chat/completions", "https://gateway.example/a/b/v1"),
        ("http://localhost:7997", "http://localhost:7997"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_base_urls_as_people_write_them(given: str, meant: str) -> None:
    """Slashes, quotes and a pasted endpoint do no harm."""
    assert normalised_url(given) == meant


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("localhost:8000/v1", "http://localhost:8000/v1"),
        ("api.example.com/v1", "https://api.example.com/v1"),
        ("ftp://example.com", "http and https"),
        ("http:///v1", "no host"),
        ("http://host:port/v1", "no URL"),
        ("http://host:0/v1", "port 0"),
        ("http://host/v1?key=secret", "query"),
        ("http://me:secret@host/v1", "password"),
    ],
)
def test_base_urls_that_cannot_be(given: str, words: str) -> None:
    """The error names the variable and what was meant, and repeats no key."""
    with pytest.raises(ConfigurationError, match=f"(?s)OPENAI_BASE_URL.*{words}") as caught:
        openai(OPENAI_BASE_URL=given, OPENAI_MODEL="m")
    assert "secret" not in str(caught.value)


def test_which_urls_are_openais() -> None:
    """Regions are; look-alikes are not."""
    assert is_openai("https://api.openai.com/v1")
    assert is_openai("https://eu.api.openai.com/v1")
    assert not is_openai("https://api.openai.com.evil.example/v1")
    assert not is_openai("https://example.com/api.openai.com")


def test_azures_address_as_base_url() -> None:
    """The dated API is another type of OPENAI; the error says which. v1 is spoken as it is."""
    with pytest.raises(ConfigurationError, match=r"OPENAI_TYPE=azure.*ellmental-embeddings-azure"):
        openai(OPENAI_BASE_URL="https://n.openai.azure.com", OPENAI_API_KEY=KEY, OPENAI_MODEL="dep")
    v1 = "https://n.openai.azure.com/openai/v1"
    openai(OPENAI_BASE_URL=v1, OPENAI_API_KEY=KEY, OPENAI_MODEL="dep").close()


@pytest.mark.parametrize(
    "host",
    [
        "n.openai.azure.us", "n.openai.azure.cn", "n.services.ai.azure.com",
        "n.cognitiveservices.azure.com", "n.cognitiveservices.azure.cn",
    ],
)  # fmt: skip
def test_azures_other_hosts(host: str) -> None:
    """Foundry's, and those of other clouds."""
    with pytest.raises(ConfigurationError, match="OPENAI_TYPE=azure"):
        openai(OPENAI_BASE_URL=f"https://{host}", OPENAI_API_KEY=KEY, OPENAI_MODEL="dep")


@pytest.mark.parametrize("name", ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID"])
@pytest.mark.parametrize("value", ["org-ä", "org-“x”", "org-a\nX-Other: b"])
def test_ids_that_no_header_can_hold(name: str, value: str) -> None:
    """Refused by the variable's name, before anything is sent."""
    with pytest.raises(ConfigurationError, match=f"{name}.*no header"):
        openai(OPENAI_API_KEY=KEY, OPENAI_MODEL="text-embedding-3-small", **{name: value})


@pytest.mark.parametrize("name", ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID"])
@pytest.mark.parametrize("value", ["", " \n", " org-1\n"])
def test_ids_with_white_space(name: str, value: str) -> None:
    """It is dropped; a blank one is none."""
    given: dict[str, Any] = {name: value}
    openai(OPENAI_API_KEY=KEY, OPENAI_MODEL="text-embedding-3-small", **given).close()


@pytest.mark.parametrize("lines", ["no colon", ": value", "Name with blank: x", "X-Näme: y"])
def test_custom_headers_that_are_none(lines: str) -> None:
    """Named by line, since the text may hold a key."""
    with pytest.raises(ConfigurationError, match=r"OPENAI_CUSTOM_HEADERS.*line 2"):
        openai(
            OPENAI_API_KEY=KEY,
            OPENAI_MODEL="text-embedding-3-small",
            OPENAI_CUSTOM_HEADERS=f"X-Good: 1\n{lines}",
        )


def test_a_wrong_type_lists_what_is_there() -> None:
    """And says what to install."""
    with pytest.raises(ConfigurationError, match=r"(?s)OPENAI_TYPE=oracle.*openai \(ellmental"):
        openai(OPENAI_TYPE="oracle")


@pytest.mark.parametrize(
    "url", ["http://a..b/v1", f"http://{'a' * 64}.example/v1", "http://a\x01b/", "http://host\\v1"]
)
def test_a_host_that_none_can_have(url: str) -> None:
    """It is refused by name before a text could be blamed for it."""
    with pytest.raises(ValueError, match=r"host|control"):
        normalised_url(url)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SSL_CERT_FILE", "nowhere.pem"),
        ("HTTPS_PROXY", "foo://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://[::1"),
    ],
)
def test_an_environment_that_allows_no_connection(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates that are not there, or an odd proxy, are no fault of the plugin's."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE.*HTTPS_PROXY"):
        openai(OPENAI_API_KEY=KEY, OPENAI_MODEL="text-embedding-3-small")
