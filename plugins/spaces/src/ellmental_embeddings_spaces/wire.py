"""HTTP: one client, many sites. A key stays with its site, and no redirect leads elsewhere."""

from __future__ import annotations

import json
import ssl
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx

from ellmental_embeddings import BadReply, BatchTooLarge, ConfigurationError, Unavailable

from .address import origin_of, same_origin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

__all__ = ["MOST_BYTES", "Answer", "Site", "Wire", "speaks_https", "whole"]

MOST_BYTES = 1 << 30
"""An answer over this is not read to its end: a batch that large has to be smaller."""

_SILENCE = 60.0
"""Seconds without a byte after which a connection counts as dead: four heartbeats of Gradio's."""

_NO_HTTP = "illegal request line"
"""What h11 says of an answer that begins with no letter, as TLS's does."""

_MOST_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_KEEPS_METHOD = {307, 308}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, whole."""

    status: int
    content_type: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

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
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(silence, connect=min(timeout, 20.0)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
            follow_redirects=False,
            headers={"user-agent": "ellmental-embeddings-spaces"},
        )

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
        self, method: str, path: str, body: object = None, *, most: int | None = None
    ) -> Answer:
        """Send a request and read the whole answer, whatever its status.

        Args:
            method: HTTP's.
            path: below the root.
            body: sent as JSON, where it is not None.
            most: bytes that are read at most, else MOST_BYTES.

        Raises:
            Unavailable, ConfigurationError, BatchTooLarge, BadReply: there is no answer.
        """
        async with self.stream(method, path, body) as response:
            return await whole(response, most or MOST_BYTES)

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
            with _translated(self.root):
                request = self._client.build_request(method, url, content=content, headers=sent)
                response = await self._client.send(request, stream=True)
            try:
                target = response.headers.get("location", "")
                if response.status_code not in _REDIRECTS or not target:
                    with _translated(self.root):
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
            raise ConfigurationError(_redirects_nowhere(origin_of(url))) from None
        if same_origin(url, target) and (method == "GET" or status in _KEEPS_METHOD):
            return target
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
    return Answer(response.status_code, kind, response.headers, b"".join(parts))


def _encoded(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


@contextmanager
def _translated(root: str) -> Iterator[None]:
    """What httpx raises, as the engine's errors. Names the host alone: a URL may hold secrets."""
    host = origin_of(root)
    try:
        yield
    except httpx.DecodingError:
        raise BadReply(f"the answer of {host} cannot be uncompressed") from None
    except httpx.ProxyError as error:
        raise Unavailable(f"the proxy (HTTPS_PROXY) fails for {host}: {error}") from None
    except httpx.TimeoutException:
        raise Unavailable(f"{host} did not answer in time (EMBEDDING_TIMEOUT)") from None
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
        raise ConfigurationError(f"EMBEDDINGS_GENERATION_URL cannot be used: {error}") from None
    except httpx.RemoteProtocolError as error:
        if host.startswith("http://") and _NO_HTTP in str(error):
            raise ConfigurationError(speaks_https(host)) from None
        if "location" in str(error).lower():
            raise ConfigurationError(_redirects_nowhere(host)) from None
        raise _about_connection(error, host) from None
    except (httpx.TransportError, OSError) as error:  # older httpcores let ssl's own through
        raise _about_connection(error, host) from None


def _redirects_nowhere(host: str) -> str:
    return (
        f"{host} redirects to what is no address. Check EMBEDDINGS_GENERATION_URL, or tell whoever "
        "runs the server."
    )


def speaks_https(host: str) -> str:
    """The message for a server that was asked in plain http."""
    return (
        f"{host} speaks https: write {host.replace('http://', 'https://')} in "
        "EMBEDDINGS_GENERATION_URL."
    )


def _about_connection(error: httpx.TransportError | OSError, host: str) -> Exception:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ConfigurationError(
            f"the certificate of {host} is not trusted: {cause.verify_message}. Set SSL_CERT_FILE "
            "to your organisation's certificates, or check EMBEDDINGS_GENERATION_URL."
        )
    if cause is not None and "WRONG_VERSION_NUMBER" in str(cause):
        plain = host.replace("https://", "http://")
        return ConfigurationError(
            f"{host} does not speak https. If it is your own server, set "
            f"EMBEDDINGS_GENERATION_URL to {plain}."
        )
    what = "cannot connect to" if isinstance(error, httpx.ConnectError) else "the connection broke:"
    return Unavailable(f"{what} {host}: {str(error) or type(error).__name__}")
