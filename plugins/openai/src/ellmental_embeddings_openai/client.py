"""Which way a request's bytes go: over the wire, or through the SDK where a proxy is named.

The wire sends what the SDK would. What the SDK does for each request anew costs more than sending
it, and importing it as much as all else before the first vector
(docs/explanation/openai-transport.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.request import getproxies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .endpoint import Endpoint
    from .wire import Received

__all__ = ["Client", "client_for"]

_CONNECT_S = 10.0
"""Seconds for a connection; the rest of EMBEDDING_TIMEOUT is for the answer."""


class Client(Protocol):
    """Posts one request's bytes and hands back the raw response. Belongs to one event loop."""

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Received:
        """Send a body to ``{url}/embeddings``; ``translated`` knows all that it may raise."""

    async def close(self) -> None:
        """Close its connections."""


def client_for(endpoint: Endpoint, *, timeout: float, is_timed: bool = False) -> Client:
    """A client, which connects to nothing yet. Imports aiohttp; where there is a proxy, the SDK.

    Args:
        endpoint: the service.
        timeout: seconds for one request.
        is_timed: whether whoever calls ``post`` ends it after so many seconds.

    Raises:
        OSError, ValueError: when the environment's certificates or proxies cannot be used.
    """
    connect = min(timeout, _CONNECT_S)
    if _has_proxy():
        from .proxied import Proxied

        return Proxied(endpoint, timeout=timeout, connect=connect)
    from .wire import Wire

    return Wire(endpoint, timeout=timeout, connect=connect, is_timed=is_timed)


def _has_proxy() -> bool:
    """Whether the environment (Windows: the system) names any proxy, where httpx2 looks for it."""
    proxies = getproxies()
    return any(proxies.get(kind) for kind in ("http", "https", "all"))
