"""Azure's addresses: what people paste as an endpoint, and the URLs that are made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

from ellmental_embeddings_openai import refuse_impossible_host

__all__ = ["Target", "as_version", "base_url", "scope_of", "taken_apart"]

_OPENAI = (
    re.compile(r"/openai(?=/+(?:deployments|v1)(?:/|$))"),
    re.compile(r"/openai(?=/+(?:chat|completions|embeddings|models|responses)(?:/|$))"),
    re.compile(r"/openai(?=/*$)"),
)
"""Where the endpoint ends, surest first: a gateway's path or a project may hold the word too."""

_NO_ENDPOINT = re.compile(
    r"/(?:models(?:/(?:images/)?embeddings|/chat/completions)?|embeddings)/*$"
)
"""The model inference API's addresses, and requests of some other server."""

_DEPLOYMENT = re.compile(r"/deployments/([^/]+)")

_V1 = re.compile(r"/openai/+v1(/|$)")

_KEY = re.compile(r"key|token|sig|code", re.IGNORECASE)
"""What a query's part is called that holds a key. It would be dropped, and the key shown."""

_DATED = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")

VERSION_LESS = ("v1", "preview")
"""Versions of the API whose path has no deployment."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a pasted address says.

    Attributes:
        endpoint: scheme, host and what stands before ``/openai`` (an API gateway's path, a
            Foundry project's).
        deployment: the deployment in it, or None.
        version: the API version in it, or None.
    """

    endpoint: str
    deployment: str | None = None
    version: str | None = None


def taken_apart(pasted: str) -> Target:
    """The endpoint, deployment and version in what was pasted, often a whole target URI.

    Raises:
        ValueError: when it can be no endpoint; says what is wrong and what was meant.
    """
    text = pasted.strip().strip("\"'")
    if "://" not in text:
        raise ValueError(f"it has no scheme. Perhaps you mean https://{text.lstrip('/')}")
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"it is no URL: {error}") from None
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise ValueError("it is no http(s) address of a host")
    refuse_impossible_host(text, parts.hostname)
    if parts.username is not None:
        raise ValueError("it holds a user name or password; set the key in OPENAI_API_KEY")
    if parts.hostname == "api.openai.com":
        raise ValueError("it is OpenAI's address, not Azure's. Set OPENAI_TYPE=openai instead")
    before, after = _cut(parts.path)
    if not after and (wrong := _NO_ENDPOINT.search(before)):
        raise ValueError(
            f"{wrong[0]} is no part of an endpoint. Use https://NAME.openai.azure.com, or a target "
            "URI with /openai/deployments/NAME or /openai/v1 in it"
        )
    deployment = _DEPLOYMENT.search(after)
    query = parse_qs(parts.query)
    if any(_KEY.search(name) for name in query):
        raise ValueError(
            "a key stands after its ?. Set it in OPENAI_API_KEY; an API gateway's in "
            "AZURE_OPENAI_CUSTOM_HEADERS (Ocp-Apim-Subscription-Key: ...)"
        )
    versions = query.get("api-version", [])
    version = versions[0] if versions else ("v1" if _V1.match(after) else None)
    return Target(
        endpoint=urlunsplit((parts.scheme.lower(), parts.netloc, before.rstrip("/"), "", "")),
        deployment=unquote(deployment[1]) if deployment else None,
        version=version,
    )


def _cut(path: str) -> tuple[str, str]:
    """A path up to the API's own ``/openai``, and from there on: empty where it has none."""
    for pattern in _OPENAI:
        found = [match.start() for match in pattern.finditer(path)]
        if found:
            return path[: found[-1]], path[found[-1] :]
    return path, ""


def as_version(version: str) -> str:
    """An API version as it is sent.

    Raises:
        ValueError: when it has not the form of one.
    """
    text = version.strip().strip("\"'").lower()
    if text not in VERSION_LESS and not _DATED.fullmatch(text):
        raise ValueError("it is no API version. Use v1, or a date such as 2024-10-21")
    return text


def base_url(endpoint: str, deployment: str, version: str) -> str:
    """Where ``/embeddings`` of a deployment is."""
    if version in VERSION_LESS:
        return f"{endpoint}/openai/v1"
    return f"{endpoint}/openai/deployments/{quote(deployment, safe='')}"


def scope_of(endpoint: str) -> str:
    """For what an Entra ID token must be asked, by the cloud that the endpoint is in."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    if host.endswith(".azure.us"):
        return "https://cognitiveservices.azure.us/.default"
    if host.endswith(".azure.cn"):
        return "https://cognitiveservices.azure.cn/.default"
    if "/api/projects/" in parts.path:  # Foundry projects insist on this audience
        return "https://ai.azure.com/.default"
    return "https://cognitiveservices.azure.com/.default"
