"""Addresses as people paste them, and what is made of them."""

from __future__ import annotations

import pytest

from ellmental_embeddings_azure.target import (
    Target,
    as_version,
    base_url,
    scope_of,
    taken_apart,
)

HOST = "https://name.openai.azure.com"


@pytest.mark.parametrize(
    ("pasted", "target"),
    [
        (HOST, Target(HOST)),
        (f" {HOST}/ \n", Target(HOST)),
        (f'"{HOST}/"', Target(HOST)),
        (f"{HOST}/openai", Target(HOST)),
        (f"{HOST}/openai/deployments/", Target(HOST)),
        (
            f"{HOST}/openai/deployments/my-dep/embeddings?api-version=2023-05-15",
            Target(HOST, "my-dep", "2023-05-15"),
        ),
        (f"{HOST}/openai/deployments/my%20dep%2F%C3%A9/embeddings", Target(HOST, "my dep/é")),
        (f"{HOST}/openai/v1/embeddings", Target(HOST, version="v1")),
        (f"{HOST}/openai/v1/", Target(HOST, version="v1")),
        (f"{HOST}/?api-version=2024-10-21", Target(HOST, version="2024-10-21")),
        (
            "https://n.services.ai.azure.com/api/projects/p/openai/v1",
            Target("https://n.services.ai.azure.com/api/projects/p", version="v1"),
        ),
        (
            "https://gateway.example.com/aoai/openai/deployments/d/embeddings",
            Target("https://gateway.example.com/aoai", "d"),
        ),
        ("http://127.0.0.1:8000/openai", Target("http://127.0.0.1:8000")),
        ("https://gw/openai-team-a", Target("https://gw/openai-team-a")),
        ("https://gw/openai/team-a", Target("https://gw/openai/team-a")),
        ("https://gw/openai/openai", Target("https://gw/openai")),
        (
            "https://n.services.ai.azure.com/api/projects/openai-proj",
            Target("https://n.services.ai.azure.com/api/projects/openai-proj"),
        ),
        (
            "https://n.services.ai.azure.com/api/projects/openai/openai/v1/",
            Target("https://n.services.ai.azure.com/api/projects/openai", version="v1"),
        ),
        (
            "https://gw/my/openai-eu/openai/deployments/d/embeddings?api-version=2024-10-21",
            Target("https://gw/my/openai-eu", "d", "2024-10-21"),
        ),
        ("https://gw/openai/openai/deployments/d/embeddings", Target("https://gw/openai", "d")),
        (f"{HOST}/openai/deployments/openai", Target(HOST, "openai")),
        (f"{HOST}/openai/deployments/openai/embeddings", Target(HOST, "openai")),
        (f"{HOST}/openai/deployments/models/embeddings", Target(HOST, "models")),
        (
            f"{HOST}/openai/responses?api-version=2025-04-01-preview",
            Target(HOST, version="2025-04-01-preview"),
        ),
        (f"{HOST}/openai/embeddings", Target(HOST)),
        ("https://gw/models-eu", Target("https://gw/models-eu")),
    ],
)
def test_what_is_pasted_is_taken_apart(pasted: str, target: Target) -> None:
    """Endpoint, deployment and version come out of a bare endpoint and of a whole target URI."""
    assert taken_apart(pasted) == target


@pytest.mark.parametrize(
    ("pasted", "message"),
    [
        ("name.openai.azure.com", "Perhaps you mean https://name.openai.azure.com"),
        ("ftp://name.openai.azure.com", "http"),
        ("https://", "host"),
        ("https://name:99999", "no URL"),
        ("https://me:secret@name.openai.azure.com", "OPENAI_API_KEY"),
        ("https://gw/openai/v1?subscription-key=secret", "AZURE_OPENAI_CUSTOM_HEADERS"),
        ("https://api.openai.com/v1", "OPENAI_TYPE=openai"),
        ("https://n.services.ai.azure.com/models", "^/models is no part.*/openai/deployments/NAME"),
        ("https://n.services.ai.azure.com/models/embeddings?api-version=2024-05-01-preview", "/v1"),
        ("https://n.inference.ai.azure.com/embeddings/", "https://NAME.openai.azure.com"),
        ("https://gw/v1/embeddings", "is no part of an endpoint"),
    ],
)
def test_what_can_be_no_endpoint_is_refused(pasted: str, message: str) -> None:
    """The error says what is wrong or what was meant, and repeats no password."""
    with pytest.raises(ValueError, match=message) as caught:
        taken_apart(pasted)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("version", ["v1", "V1", "preview", "2024-10-21", " 2025-04-01-preview\n"])
def test_versions_that_can_exist(version: str) -> None:
    """A date, a date of a preview, or the version-less API."""
    assert as_version(version) == version.strip().lower()


@pytest.mark.parametrize("version", ["2024", "2024-1-1", "v2", "latest", "21-10-2024"])
def test_versions_that_cannot(version: str) -> None:
    """Anything else is refused before it is sent."""
    with pytest.raises(ValueError, match="no API version"):
        as_version(version)


def test_base_urls() -> None:
    """The dated API has the deployment in its path, encoded; the version-less one has not."""
    dated = f"{HOST}/openai/deployments/my%20dep%2F%C3%A9"
    assert base_url(HOST, "my dep/é", "2024-10-21") == dated
    assert base_url(HOST, "d", "v1") == base_url(HOST, "d", "preview") == f"{HOST}/openai/v1"


@pytest.mark.parametrize(
    ("endpoint", "scope"),
    [
        (HOST, "https://cognitiveservices.azure.com/.default"),
        ("https://n.cognitiveservices.azure.com", "https://cognitiveservices.azure.com/.default"),
        ("https://n.openai.azure.us", "https://cognitiveservices.azure.us/.default"),
        ("https://n.openai.azure.cn", "https://cognitiveservices.azure.cn/.default"),
        ("https://n.services.ai.azure.com/api/projects/p", "https://ai.azure.com/.default"),
        ("http://127.0.0.1:8000", "https://cognitiveservices.azure.com/.default"),
    ],
)
def test_scopes_follow_the_cloud(endpoint: str, scope: str) -> None:
    """Each sovereign cloud has an audience of its own."""
    assert scope_of(endpoint) == scope
