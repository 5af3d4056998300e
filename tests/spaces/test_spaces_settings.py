"""The variables of both generators: aliases, and what a user reads when they are wrong."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from ellmental_embeddings import ConfigurationError, load_generator

if TYPE_CHECKING:
    from conftest import Load

NAMES = ("SPACES_TEXT", "SPACES_INSTRUCT")


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_url_is_named(name: str) -> None:
    """Without a URL the error names the variable and says what it means."""
    with pytest.raises(ConfigurationError, match="EMBEDDINGS_GENERATION_URL: The Space"):
        load_generator(name)


def test_a_blank_url_is_a_missing_one() -> None:
    """A URL of spaces counts as not set."""
    with pytest.raises(ConfigurationError, match="EMBEDDINGS_GENERATION_URL"):
        load_generator("SPACES_TEXT", EMBEDDINGS_GENERATION_URL="  ")


def test_the_older_names_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """SPACES_URL and SPACES_KEY are aliases, and the newer names win over them."""
    monkeypatch.setenv("SPACES_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SPACES_KEY", "hf_older")
    with load_generator("SPACES_TEXT") as generator:
        told = generator.settings.model_dump()
        assert told["embeddings_generation_url"] == "http://127.0.0.1:1"
        assert told["embeddings_generation_key"].get_secret_value() == "hf_older"
    monkeypatch.setenv("EMBEDDINGS_GENERATION_URL", "http://127.0.0.1:2")
    with load_generator("SPACES_TEXT") as generator:
        assert generator.settings.model_dump()["embeddings_generation_url"] == "http://127.0.0.1:2"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"EMBEDDINGS_GENERATION_URL": "nonsense"}, "EMBEDDINGS_GENERATION_URL='nonsense'"),
        ({"EMBEDDINGS_GENERATION_URL": "http://a-b.hf.space"}, "https alone"),
        ({"SPACES_SERVER": "grpc"}, "SPACES_SERVER='grpc'"),
        ({"SPACES_ENDPOINT": "/"}, "SPACES_ENDPOINT='/'"),
        ({"HF_ENDPOINT": "mirror"}, "HF_ENDPOINT='mirror'"),
    ],
)
def test_a_wrong_value_is_told_with_its_variable(setting: dict[str, str], told: str) -> None:
    """Each wrong value is named together with its variable before anything is sent."""
    given = {"EMBEDDINGS_GENERATION_URL": "http://127.0.0.1:1", **setting}
    with pytest.raises(ConfigurationError, match=told):
        load_generator("SPACES_TEXT", **given)


def test_a_key_that_no_header_can_hold_is_refused_unseen() -> None:
    """A key with a line break inside is refused, and not shown."""
    with pytest.raises(ConfigurationError, match="no key has") as caught:
        load_generator(
            "SPACES_TEXT",
            EMBEDDINGS_GENERATION_URL="http://127.0.0.1:1",
            EMBEDDINGS_GENERATION_KEY="hf_secret\nmore",
        )
    assert "hf_secret" not in str(caught.value)


def test_a_password_in_the_url_is_refused_unseen() -> None:
    """A URL with a password is refused without repeating it, and the key's variable named."""
    with pytest.raises(ConfigurationError, match="EMBEDDINGS_GENERATION_KEY") as caught:
        load_generator("SPACES_TEXT", EMBEDDINGS_GENERATION_URL="http://me:hunter2@127.0.0.1:1")
    assert "hunter2" not in str(caught.value)


def test_a_signed_address_is_not_shown() -> None:
    """The address of a private Space's own frame has a token in it, which nothing here needs."""
    address = "https://owner-name.hf.space/?__sign=eyJhbGciOi.hunter2"
    with load_generator("SPACES_TEXT", EMBEDDINGS_GENERATION_URL=address) as generator:
        assert "hunter2" not in repr(generator.settings)


def test_a_key_on_an_open_line_is_warned_of(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    """A key that would travel over plain http through the open net is warned of, unseen."""
    with caplog.at_level(logging.WARNING):
        load("http://example.org", EMBEDDINGS_GENERATION_KEY="hf_secret")
        load("http://127.0.0.1:1", EMBEDDINGS_GENERATION_KEY="hf_secret")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "http://example.org unencrypted" in caplog.text
    assert "hf_secret" not in caplog.text


def test_a_key_on_an_open_line_to_the_hub_is_warned_of(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    """HF_ENDPOINT over plain http gets the key too: it is named in the warning."""
    key = {"EMBEDDINGS_GENERATION_KEY": "hf_secret"}
    with caplog.at_level(logging.WARNING):
        load("owner/name", HF_ENDPOINT="http://mirror.example", **key)
        load("owner/name", HF_ENDPOINT="https://mirror.example", **key)
        load("owner/name", HF_ENDPOINT="http://mirror.example")
        load("https://my.own", HF_ENDPOINT="http://mirror.example", **key)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "mirror.example unencrypted" in line
    assert "HF_ENDPOINT" in line
    assert "hf_secret" not in line
