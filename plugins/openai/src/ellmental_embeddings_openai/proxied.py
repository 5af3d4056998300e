"""Requests through the SDK itself: how a proxy of the environment is chosen is its business.

Its retries are off, and nothing ambient is sent along.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import httpx2

import openai

from .headers import merged
from .wire import Received

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .endpoint import Endpoint

__all__ = ["Proxied"]


class Proxied:
    """Posts through ``AsyncOpenAI``; belongs to one event loop. Connects to nothing when made.

    Args:
        endpoint: the service.
        timeout: seconds for one request.
        connect: seconds of them for a connection.

    Raises:
        OSError, ValueError: when the environment's certificates or proxies cannot be used.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float, connect: float) -> None:
        self._openai = openai.AsyncOpenAI(
            api_key="sent-with-each-request",
            base_url=endpoint.url,
            default_query=dict(endpoint.query),
            max_retries=0,
            timeout=httpx2.Timeout(timeout, connect=connect),
            http_client=_pool(),
        )
        # What the SDK would add from the environment (OPENAI_ORG_ID, OPENAI_CUSTOM_HEADERS, ...)
        # is taken out: what is meant for this service comes with the endpoint, from settings.
        self._headers: dict[str, Any] = {"Authorization": openai.omit}
        self._headers |= dict.fromkeys(_ambient_headers(), openai.omit)
        self._headers["Accept-Encoding"] = "identity"

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Received:
        """Send a body to ``{url}/embeddings``.

        Raises:
            openai.OpenAIError: when it is refused, or cannot be sent.
        """
        response = await self._openai.post(
            "/embeddings",
            cast_to=httpx2.Response,
            content=body,
            options={"headers": merged(self._headers, headers), "follow_redirects": False},
        )
        plain = {name.lower(): value for name, value in response.headers.items()}
        return Received(response.status_code, plain, response.content)

    async def close(self) -> None:
        """Close the connections."""
        await self._openai.close()


def _pool() -> httpx2.AsyncClient:
    try:
        return openai.DefaultAioHttpClient()
    except httpx2.InvalidURL as error:
        raise ValueError(str(error)) from None


def _ambient_headers() -> list[str]:
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    custom = [line.partition(":")[0].strip() for line in lines if ":" in line]
    return ["OpenAI-Organization", "OpenAI-Project", *custom]
