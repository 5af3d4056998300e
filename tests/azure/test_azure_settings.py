"""AZURE_OPENAI_*: what is missing, wrong, or silently right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ellmental_embeddings import ConfigurationError, load_generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_server import OpenAIServer

    from ellmental_embeddings import EmbeddingGenerator

    Load = Callable[..., EmbeddingGenerator]


def azure(**settings: Any) -> Any:
    """OPENAI with OPENAI_TYPE=azure, from these settings alone."""
    return load_generator("OPENAI", OPENAI_TYPE="azure", **settings)


def test_all_that_is_missing_is_named_at_once() -> None:
    """With nothing set, one error names each variable with what it is for."""
    with pytest.raises(ConfigurationError) as caught:
        azure()
    for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY", "OPENAI_MODEL", "AZURE_OPENAI_VERSION"):
        assert f"  {name}: " in str(caught.value)


@pytest.mark.parametrize("blank", ["", "   ", "\n"])
def test_blank_is_missing(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty and blank variables are named like absent ones."""
    for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY", "OPENAI_MODEL", "AZURE_OPENAI_VERSION"):
        monkeypatch.setenv(name, blank)
    with pytest.raises(ConfigurationError) as caught:
        azure()
    for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY", "OPENAI_MODEL", "AZURE_OPENAI_VERSION"):
        assert f"  {name}: " in str(caught.value)


def test_no_key_is_needed_with_the_directory() -> None:
    """With AZURE_OPENAI_USE_ACTIVE_DIRECTORY a key is not named as missing."""
    with pytest.raises(ConfigurationError) as caught:
        azure(AZURE_OPENAI_USE_ACTIVE_DIRECTORY="True ")
    assert "OPENAI_API_KEY" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AZURE_OPENAI_ENDPOINT": "n.openai.azure.com"}, "AZURE_OPENAI_ENDPOINT.*https://n"),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://n.services.ai.azure.com/models/embeddings"},
            "AZURE_OPENAI_ENDPOINT.*/openai/v1",
        ),
        ({"AZURE_OPENAI_VERSION": "2024"}, "AZURE_OPENAI_VERSION.*no API version"),
        ({"OPENAI_MODEL": ".."}, "OPENAI_MODEL.*no deployment"),
        ({"OPENAI_API_KEY": "kéy"}, "OPENAI_API_KEY.*no key has"),
        ({"AZURE_OPENAI_CUSTOM_HEADERS": "X: y\nno header"}, "CUSTOM_HEADERS.*line 2 is no header"),
        ({"AZURE_OPENAI_USE_ACTIVE_DIRECTORY": "perhaps"}, "AZURE_OPENAI_USE_ACTIVE_DIRECTORY"),
    ],
)
def test_wrong_values(load: Load, settings: dict[str, Any], words: str) -> None:
    """Each is refused before anything is sent, by its variable's name."""
    with pytest.raises(ConfigurationError, match=words):
        load(**settings)


@pytest.mark.parametrize("version", ["2023-05-15", "v1"])
def test_a_target_uri_is_enough(server: OpenAIServer, version: str) -> None:
    """A pasted target URI brings the deployment and the version along."""
    path = "deployments/my-deployment/embeddings?api-version=2023-05-15"
    pasted = f"{server.origin}/openai/{path if version != 'v1' else 'v1/embeddings'}"
    deployment = {} if version != "v1" else {"OPENAI_MODEL": "my-deployment"}
    with azure(
        AZURE_OPENAI_ENDPOINT=pasted, OPENAI_API_KEY=f" {server.key}\n", **deployment
    ) as generator:
        assert generator.embed(["a"]).dimensions == 1536
    assert server.bill.requests[0].query.get("api-version") == (
        "2023-05-15" if version != "v1" else None
    )


def test_a_target_uri_that_contradicts_a_variable(server: OpenAIServer, load: Load) -> None:
    """Neither wins silently."""
    path = "openai/deployments/old-ada/embeddings?api-version=2023-05-15"
    with pytest.raises(ConfigurationError) as caught:
        load(AZURE_OPENAI_ENDPOINT=f"{server.origin}/{path}")
    assert "OPENAI_MODEL='my-deployment'" in str(caught.value)
    assert "AZURE_OPENAI_VERSION='2024-10-21'" in str(caught.value)
