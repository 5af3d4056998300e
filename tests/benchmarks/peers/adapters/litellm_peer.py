"""litellm: ``aembedding`` with 64 in flight, asking for base64, its cheapest way."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from importlib import import_module
from typing import Any

from together import gathered

DISTS = ("litellm", "openai")


class Adapter:
    """``litellm.aembedding``; base64 comes back undecoded."""

    def __init__(self, url: str, width: int, batch: int, in_flight: int) -> None:
        self._batch, self._in_flight = batch, in_flight
        self._library = import_module("litellm")
        self._options = {
            "model": "openai/text-embedding-3-small",
            "api_base": url,
            "api_key": "key",
            "encoding_format": "base64",
        }
        self._loop = asyncio.new_event_loop()

    def many(self, texts: list[str]) -> Any:
        """All vectors, as arrays."""
        return self._loop.run_until_complete(
            gathered(self._ask, texts, self._batch, self._in_flight)
        )

    async def _ask(self, texts: list[str]) -> list[Any]:
        answer = await self._library.aembedding(input=texts, **self._options)
        return [_decoded(item) for item in answer.data]

    def one(self, text: str) -> Any:
        """The vector of one text."""
        return _decoded(self._library.embedding(input=[text], **self._options).data[0])

    def close(self) -> None:
        """Close the connections that it keeps for async calls."""
        self._loop.run_until_complete(self._library.close_litellm_async_clients())
        self._loop.close()


def _decoded(item: Any) -> Any:
    import numpy as np

    return np.frombuffer(b64decode(item["embedding"]), np.float32)
