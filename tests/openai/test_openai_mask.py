"""What a service repeats of a key is masked, however it is written; other words are left."""

from __future__ import annotations

import pytest

from ellmental_embeddings_openai.mask import MASK, masked

KEY = "abcd1234efgh5678"


@pytest.mark.parametrize(
    "said",
    [
        "Invalid api_key=abcd1234efgh",
        "x-api-key:abcd1234efgh...",
        "GET /v1?key=abcd1234efgh&x=1",
        "Bearer:abcd1234",
        f"Bearer {KEY}",
        "key abcd****5678",
        "[abcd1234]",
    ],
)
def test_parts_of_a_key_are_masked(said: str) -> None:
    """After any sign that messages put before a key, and in part."""
    shown = masked(said, [KEY])
    assert "abcd" not in shown
    assert MASK in shown


@pytest.mark.parametrize("secret", ["ollama", "true", "none"])
def test_plain_words_are_no_secrets(secret: str) -> None:
    """A placeholder for a key, or a header's plain value, does not blank out messages."""
    said = "pull it with: ollama pull m; true or none"
    assert masked(said, [secret]) == said
