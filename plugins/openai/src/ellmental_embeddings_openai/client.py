"""The SDK's client, as this plugin uses it: its retries off, nothing ambient sent along.

The SDK makes the first request. Those that follow with the same headers repeat it with another
body, below the SDK: what the SDK does for each request anew costs more than sending it
(docs/explanation/openai-transport.md).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from .endpoint import Endpoint
    from .wire import Pattern, Received

__all__ = ["Client", "merged"]

_CONNECT_S = 10.0
"""Seconds for a connection; the rest of EMBEDDING_TIMEOUT is for the answer."""


class Client:
    """Posts one request's bytes and hands back the raw response. Belongs to one event loop.

    Making one imports the SDK, which takes half a second of CPU. It connects to nothing yet.

    Args:
        endpoint: the service.
        timeout: seconds for one request.
        is_timed: whether whoever calls ``post`` ends it after so many seconds.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float, is_timed: bool = False) -> None:
        import httpx2

        import openai

        from .wire import Received, Wire

        self._response, self._received = httpx2.Response, Received
        patience = httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_S))
        # Reading the certificates takes longer than a request: not where there is no TLS.
        is_plain = endpoint.url.lower().startswith("http://")
        below = httpx2.Timeout(None, connect=patience.connect) if is_timed else patience
        self._wire = Wire(below, None if is_plain else httpx2.create_ssl_context())
        self._openai = openai.AsyncOpenAI(
            api_key="sent-with-each-request",
            base_url=endpoint.url,
            default_query=dict(endpoint.query),
            max_retries=0,
            timeout=patience,
            # With a transport of ours it would not look for proxies.
            http_client=openai.DefaultAioHttpClient(transport=None if _proxied() else self._wire),
        )
        # What the SDK would add from the environment (OPENAI_ORG_ID, OPENAI_CUSTOM_HEADERS, ...)
        # is taken out: what is meant for this service comes with the endpoint, from settings.
        self._headers: dict[str, Any] = {"Authorization": openai.omit}
        self._headers |= dict.fromkeys(_ambient_headers(), openai.omit)
        # Vectors hardly shrink, and inflating them costs more than decoding them.
        self._headers["Accept-Encoding"] = "identity"
        self._known: tuple[dict[str, str], Pattern] | None = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Received:
        """Send a body to ``{url}/embeddings``.

        Raises:
            openai.OpenAIError: when it is refused, or cannot be sent.
            aiohttp.ClientError, OSError: when it cannot be sent, or the answer breaks off.
        """
        if self._known is not None and self._known[0] == headers:
            return await self._wire.repeat(self._known[1], body)
        response = await self._openai.post(
            "/embeddings",
            cast_to=self._response,
            content=body,
            options={"headers": merged(self._headers, headers), "follow_redirects": False},
        )
        pattern = self._wire.made.get(response.request)
        if pattern is not None:
            self._known = dict(headers), pattern
        return self._received(response.status_code, _plain(response.headers), response.content)

    async def close(self) -> None:
        """Close its connections."""
        await self._openai.close()


def _plain(headers: httpx2.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _proxied() -> bool:
    """Whether the environment (Windows: the system) names any proxy, where httpx2 looks for it."""
    proxies = getproxies()
    return any(proxies.get(kind) for kind in ("http", "https", "all"))


def _ambient_headers() -> list[str]:
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    custom = [line.partition(":")[0].strip() for line in lines if ":" in line]
    return ["OpenAI-Organization", "OpenAI-Project", *custom]


def merged(headers: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Headers, with others over them: one name, however it is spelt, stands there once."""
    spelt = {name.lower(): name for name in headers}
    return {**headers, **{spelt.get(name.lower(), name): value for name, value in over.items()}}
