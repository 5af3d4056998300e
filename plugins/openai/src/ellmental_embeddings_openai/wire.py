"""Requests over aiohttp, the connection library that the SDK offers as its faster one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from .pattern import Pattern, pattern_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from .endpoint import Endpoint

__all__ = ["CONNECTIONS", "KEEP_ALIVE_S", "Received", "Wire"]

CONNECTIONS, KEEP_ALIVE_S = 1_000, 5.0
"""The SDK's ``DEFAULT_CONNECTION_LIMITS``; longer ones race with servers that close after 5 s."""


@dataclass(frozen=True, slots=True)
class Received:
    """A response, whole and inflated. Its headers' names are in small letters."""

    status_code: int
    headers: dict[str, str]
    content: bytes


class Wire:
    """Sends what the SDK would send; belongs to one event loop. Connects to nothing when made.

    Args:
        endpoint: the service.
        timeout: seconds for one request.
        connect: seconds of them for a connection.
        is_timed: whether whoever calls ``post`` ends it after so many seconds. aiohttp's own timer
            is set, and moved, for every piece of an answer.
    """

    def __init__(
        self, endpoint: Endpoint, *, timeout: float, connect: float, is_timed: bool
    ) -> None:
        self._endpoint, self._timeout = endpoint, timeout
        self._known: tuple[dict[str, str], Pattern] | None = None
        self._certificates = _certificates(endpoint)
        read = None if is_timed else timeout
        self._patience = aiohttp.ClientTimeout(connect=read, sock_connect=connect, sock_read=read)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Received:
        """Send a body to ``{url}/embeddings``, and read the answer, whatever its status.

        Raises:
            aiohttp.ClientError, OSError: when it cannot be sent, or the answer breaks off.
            httpx2.DecodingError: when the answer is not compressed as it says.
            ValueError: when the address or a header can be none.
        """
        known = self._known
        if known is None or known[0] != headers:
            pattern = pattern_of(self._endpoint, headers, self._timeout)
            known = self._known = dict(headers), pattern
        session = self._session or self._connected()
        async with session.post(
            known[1].url, headers=known[1].headers, data=body, allow_redirects=False
        ) as response:
            content = await response.read()
        plain = {name.lower(): value for name, value in response.headers.items()}
        if "content-encoding" in plain:
            content = _inflated(content, plain)
        return Received(response.status, plain, content)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _connected(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self._certificates or True,
            limit=CONNECTIONS,
            keepalive_timeout=KEEP_ALIVE_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=self._patience, auto_decompress=False
        )
        return self._session


def _certificates(endpoint: Endpoint) -> ssl.SSLContext | None:
    """What the SDK trusts; None where there is no TLS: reading them takes longer than a request."""
    if endpoint.url.lower().startswith("http://"):
        return None
    import httpx2

    return httpx2.create_ssl_context()


def _inflated(content: bytes, headers: dict[str, str]) -> bytes:
    """The content of an answer that is compressed unasked, as the SDK reads it."""
    import httpx2

    encoding = {"content-encoding": headers["content-encoding"]}
    return httpx2.Response(200, headers=encoding, stream=httpx2.ByteStream(content)).read()
