"""The SDK's client, as this plugin uses it: its retries off, nothing ambient sent along.

The SDK makes and sends the first request. Those that follow with the same headers are copies of
it with another body, sent through the SDK's HTTP client: what the SDK does for each request
anew costs more than sending it (docs/explanation/openai-transport.md).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from .endpoint import Endpoint

__all__ = ["Client", "Received", "merged"]

_CONNECT_S = 10.0
"""Seconds for a connection; the rest of EMBEDDING_TIMEOUT is for the answer."""


@dataclass(frozen=True, slots=True)
class Received:
    """A successful response, whole. Its headers' names are in small letters."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What the SDK made of a request, to be sent again with other bodies."""

    asked: Mapping[str, str]
    url: httpx2.URL
    headers: httpx2.Headers
    extensions: dict[str, Any]


class Client:
    """Posts one request's bytes and hands back the raw response. Belongs to one event loop.

    Making one imports the SDK, which takes about a second of CPU. It connects to nothing yet.

    Args:
        endpoint: the service.
        timeout: seconds for one request.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float) -> None:
        import httpx2

        import openai

        self._httpx2, self._refused = httpx2, openai.APIStatusError
        self._http = openai.DefaultAioHttpClient()
        self._openai = openai.AsyncOpenAI(
            api_key="sent-with-each-request",
            base_url=endpoint.url,
            default_query=dict(endpoint.query),
            max_retries=0,
            timeout=httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_S)),
            http_client=self._http,
        )
        # What the SDK would add from the environment (OPENAI_ORG_ID, OPENAI_CUSTOM_HEADERS, ...)
        # is taken out: what is meant for this service comes with the endpoint, from settings.
        self._headers: dict[str, Any] = {"Authorization": openai.omit}
        self._headers |= dict.fromkeys(_ambient_headers(), openai.omit)
        # Vectors hardly shrink, and inflating them costs more than decoding them.
        self._headers["Accept-Encoding"] = "identity"
        self._pattern: _Pattern | None = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Received:
        """Send a body to ``{url}/embeddings``.

        Raises:
            openai.OpenAIError: when it is refused, or cannot be sent.
            httpx2.HTTPError: when it cannot be sent, or the answer breaks off.
        """
        pattern = self._pattern
        if pattern is not None and pattern.asked == headers:
            return await self._send(pattern, body)
        response = await self._openai.post(
            "/embeddings",
            cast_to=self._httpx2.Response,
            content=body,
            options={"headers": merged(self._headers, headers), "follow_redirects": False},
        )
        request = response.request
        kept = request.headers.copy()
        kept.pop("content-length", None)  # aiohttp counts
        self._pattern = _Pattern(dict(headers), request.url, kept, dict(request.extensions))
        return Received(response.status_code, _plain(response.headers), response.content)

    async def _send(self, pattern: _Pattern, body: bytes) -> Received:
        request = self._httpx2.Request(
            "POST",
            pattern.url,
            headers=pattern.headers,
            extensions=pattern.extensions,
            stream=self._httpx2.ByteStream(body),  # with `content` it would count headers anew
        )
        request.read()
        response = await self._http.send(request, stream=True, follow_redirects=False)
        try:
            if not response.is_success:
                await response.aread()
                raise self._refused(f"status {response.status_code}", response=response, body=None)
            stream, told = response.stream, _plain(response.headers)
            if "content-encoding" in told or not isinstance(stream, AsyncIterable):
                content = await response.aread()
            else:
                content = b"".join([part async for part in stream])
        finally:
            await response.aclose()
        return Received(response.status_code, told, content)

    async def close(self) -> None:
        """Close its connections."""
        await self._openai.close()


def _plain(headers: httpx2.Headers) -> dict[str, str]:
    """Headers that are quick to look at; of those of one name the first."""
    plain: dict[str, str] = {}
    for name, value in headers.raw:
        plain.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return plain


def _ambient_headers() -> list[str]:
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    custom = [line.partition(":")[0].strip() for line in lines if ":" in line]
    return ["OpenAI-Organization", "OpenAI-Project", *custom]


def merged(headers: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Headers, with others over them: one name, however it is spelt, stands there once."""
    spelt = {name.lower(): name for name in headers}
    return {**headers, **{spelt.get(name.lower(), name): value for name, value in over.items()}}
