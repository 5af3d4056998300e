"""What lies below the SDK: an HTTP transport over aiohttp that can repeat a request by itself.

The SDK hands its first request down to it. The transport notes what the SDK made of it (address,
headers), and sends further bodies the same way without going through the SDK again. Where the
environment names a proxy, the SDK's own transport is used: then there is nothing to repeat, and
all requests go through the SDK.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import aiohttp
import httpx2
from multidict import CIMultiDict
from yarl import URL

import openai

if TYPE_CHECKING:
    import ssl

__all__ = ["Pattern", "Received", "Wire"]


@dataclass(frozen=True, slots=True)
class Received:
    """A successful response, whole. Its headers' names are in small letters."""

    status_code: int
    headers: dict[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the SDK made of a request, but for its body."""

    method: str
    url: URL
    headers: CIMultiDict[str]


class Wire(httpx2.AsyncBaseTransport):
    """Sends requests over aiohttp; belongs to one event loop. Connects to nothing when made.

    Args:
        timeout: seconds to wait for anything, as the SDK has them; None in it for what whoever
            sends ends by itself: each is a timer that is set, and moved, for every request.
        certificates: what to trust; None where no address begins with https.

    Attributes:
        made: the patterns of the SDK's requests, as long as these live.
    """

    def __init__(self, timeout: httpx2.Timeout, certificates: ssl.SSLContext | None) -> None:
        self.made: WeakKeyDictionary[httpx2.Request, Pattern] = WeakKeyDictionary()
        self._certificates = certificates
        self._timeout = aiohttp.ClientTimeout(
            connect=timeout.pool, sock_connect=timeout.connect, sock_read=timeout.read
        )
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request of the SDK's.

        Raises:
            aiohttp.ClientError, OSError: when it cannot be sent, or the answer breaks off.
        """
        headers = CIMultiDict(request.headers.multi_items())
        headers.pop("content-length", None)  # aiohttp counts
        pattern = Pattern(request.method, URL(str(request.url), encoded=True), headers)
        response, content = await self._send(pattern, await request.aread())
        self.made[request] = pattern
        return _as_the_sdk_knows_it(response, content, request)

    async def repeat(self, pattern: Pattern, body: bytes) -> Received:
        """Send a request like one before.

        Raises:
            openai.APIStatusError: when it is refused.
            aiohttp.ClientError, OSError: as above.
        """
        response, content = await self._send(pattern, body)
        headers = {name.lower(): value for name, value in response.headers.items()}
        is_good = 200 <= response.status < 300  # noqa: PLR2004 - HTTP's successes
        if not is_good or "content-encoding" in headers:
            request = httpx2.Request(
                pattern.method, str(pattern.url), headers=list(pattern.headers.items())
            )
            known = _as_the_sdk_knows_it(response, content, request)
            content = await known.aread()
            if not is_good:
                raise openai.APIStatusError(f"status {response.status}", response=known, body=None)
        return Received(response.status, headers, content)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, pattern: Pattern, body: bytes) -> tuple[aiohttp.ClientResponse, bytes]:
        session = self._session or self._connected()
        async with session.request(
            pattern.method, pattern.url, headers=pattern.headers, data=body, allow_redirects=False
        ) as response:
            return response, await response.read()

    def _connected(self) -> aiohttp.ClientSession:
        limits = openai.DEFAULT_CONNECTION_LIMITS
        connector = aiohttp.TCPConnector(
            ssl=True if self._certificates is None else self._certificates,
            limit=limits.max_connections or 0,
            keepalive_timeout=limits.keepalive_expiry,
        )
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, auto_decompress=False
        )
        return self._session


def _as_the_sdk_knows_it(
    response: aiohttp.ClientResponse, content: bytes, request: httpx2.Request
) -> httpx2.Response:
    return httpx2.Response(
        response.status,
        headers=response.raw_headers,
        stream=httpx2.ByteStream(content),  # not `content`, which would be taken for inflated
        request=request,
        extensions={"http_version": b"HTTP/1.1"},
    )
