"""HTTP: one client, many sites. A key stays with its site, and no redirect leads elsewhere."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx

from ellmental_embeddings import BatchTooLarge, ConfigurationError

from .address import origin_of, same_origin
from .transport import redirects_nowhere, translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

__all__ = ["MOST_BYTES", "Answer", "Site", "Wire", "sticky_to", "whole"]

MOST_BYTES = 1 << 30
"""An answer over this is not read to its end: a batch that large has to be smaller."""

_SILENCE = 60.0
"""Seconds without a byte after which a connection counts as dead: four heartbeats of Gradio's."""

_MOST_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_KEEPS_METHOD = {307, 308}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, whole.

    Attributes:
        sticky: as ``sticky_to`` says.
    """

    status: int
    content_type: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    sticky: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_json(self) -> bool:
        """Whether it says so itself."""
        return "json" in self.content_type

    @property
    def is_page(self) -> bool:
        """Whether it is a page for people."""
        return "html" in self.content_type

    def content(self) -> Any:
        """Its JSON as Python objects; None where it is none, whatever it says."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def told(self) -> str:
        """In short, for messages: status, type and how it begins."""
        text = " ".join(self.body[:300].decode("utf-8", "replace").split())[:100]
        kind = self.content_type.partition(";")[0] or "no content type"
        return f"HTTP {self.status} {kind}" + (f" {text!r}" if text and not self.is_page else "")


class Wire:
    """The connections of one generator. Cookies are kept: replicas tell sessions by them."""

    def __init__(self, timeout: float) -> None:
        # ``clock`` bounds each call; these are for connections that say nothing at all. A queue
        # sends a heartbeat every 15 s, which must not be missed where EMBEDDING_TIMEOUT is less.
        silence = max(timeout, _SILENCE)
        try:
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(silence, connect=min(timeout, 20.0)),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
                follow_redirects=False,
                headers={"user-agent": "ellmental-embeddings-spaces"},
            )
        except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
            # What the environment says of certificates and proxies.
            raise ConfigurationError(
                f"no connection can be set up: {str(error).rstrip('.')}. Check SSL_CERT_FILE, "
                "SSL_CERT_DIR, HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."
            ) from None

    def site(self, root: str, headers: Mapping[str, str] | None = None) -> Site:
        """A site, and what may be told to it alone."""
        return Site(self._client, root, dict(headers or {}))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()


class Site:
    """One server: its root, and headers (the key among them) that no other server gets."""

    def __init__(self, client: httpx.AsyncClient, root: str, headers: dict[str, str]) -> None:
        self.root = root
        self._client = client
        self._headers = headers

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        most: int = MOST_BYTES,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and read the whole answer, whatever its status.

        Args:
            method: HTTP's.
            path: below the root.
            body: sent as JSON, where it is not None.
            most: bytes that are read at most.
            headers: beside the site's own.

        Raises:
            Unavailable, ConfigurationError, BatchTooLarge, BadReply: there is no answer.
        """
        async with self.stream(method, path, body, headers) as response:
            return await whole(response, most)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Send a request; the answer's body is for the caller to read.

        Redirects are followed on the same host alone.

        Raises:
            Unavailable, ConfigurationError: there is no answer.
        """
        url = f"{self.root}{path}"
        content = None if body is None else _encoded(body)
        for _ in range(_MOST_REDIRECTS):
            sent = {**self._headers, **(headers or {})}
            if content is not None:
                sent["content-type"] = "application/json"
            with translated(self.root):
                request = self._client.build_request(method, url, content=content, headers=sent)
                response = await self._client.send(request, stream=True)
            try:
                target = response.headers.get("location", "")
                if response.status_code not in _REDIRECTS or not target:
                    with translated(self.root):
                        yield response
                    return
                url = self._followed(method, url, target, response.status_code)
            finally:
                await response.aclose()
        raise ConfigurationError(f"{self.root} redirects in circles. Check the URL")

    def _followed(self, method: str, url: str, location: str, status: int) -> str:
        try:
            target = urljoin(url, location)
            origin_of(target)
        except ValueError:
            raise ConfigurationError(redirects_nowhere(origin_of(url))) from None
        if same_origin(url, target) and (method == "GET" or status in _KEEPS_METHOD):
            return target
        if same_origin(url, target):
            raise ConfigurationError(
                f"{origin_of(url)} answers with a redirect of status {status}, along which texts "
                "cannot be sent. Check the path in EMBEDDINGS_GENERATION_URL, and SPACES_ENDPOINT."
            )
        # Neither key nor texts go to whom the user has not named; nor does the path, which
        # may hold what a login page wants to know.
        raise ConfigurationError(
            f"{origin_of(url)} redirects to {origin_of(target)}, which was not followed: key and "
            "texts go only where EMBEDDINGS_GENERATION_URL says. If that is the right server, "
            f"set EMBEDDINGS_GENERATION_URL to its address ({origin_of(target)})."
        )


async def whole(response: httpx.Response, most: int = MOST_BYTES) -> Answer:
    """Read an answer to its end.

    Raises:
        BatchTooLarge: it is over so many bytes.
    """
    parts, size = [], 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > most:
            raise BatchTooLarge(f"the answer is over {most:,} bytes")
    kind = response.headers.get("content-type", "")
    body = b"".join(parts)
    return Answer(response.status_code, kind, response.headers, body, sticky_to(response))


def sticky_to(response: httpx.Response) -> dict[str, str]:
    """The header that keeps a call on the replica that gave an answer.

    Only what this request was sent with and given: the client's own cookies may meanwhile be
    those of another call, on another replica.
    """
    sent = response.request.headers.get("cookie", "").split("; ")
    given = [each.partition(";")[0].strip() for each in response.headers.get_list("set-cookie")]
    pairs = dict(each.split("=", 1) for each in (*sent, *given) if "=" in each)
    return (
        {"cookie": "; ".join(f"{name}={value}" for name, value in pairs.items())} if pairs else {}
    )


def _encoded(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
