"""The plain openai SDK: async with 64 in flight, sync where one call follows another."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from together import gathered

DISTS = ("openai",)


class Adapter:
    """``embeddings.create``, as the SDK's documentation has it."""

    def __init__(self, url: str, width: int, batch: int, in_flight: int) -> None:
        self._batch, self._in_flight = batch, in_flight
        self._options = {"api_key": "key", "base_url": url}
        self._loop = asyncio.new_event_loop()
        self._async: Any = None
        self._sync: Any = None

    def many(self, texts: list[str]) -> Any:
        """All vectors, as lists of floats."""
        if self._async is None:
            self._async = import_module("openai").AsyncOpenAI(**self._options)
        return self._loop.run_until_complete(
            gathered(self._ask, texts, self._batch, self._in_flight)
        )

    async def _ask(self, texts: list[str]) -> list[Any]:
        answer = await self._async.embeddings.create(model="m", input=texts)
        return [item.embedding for item in answer.data]

    def one(self, text: str) -> Any:
        """The vector of one text, a list of floats."""
        if self._sync is None:
            self._sync = import_module("openai").OpenAI(**self._options)
        return self._sync.embeddings.create(model="m", input=[text]).data[0].embedding

    def close(self) -> None:
        """Close the connections."""
        if self._async is not None:
            self._loop.run_until_complete(self._async.close())
        if self._sync is not None:
            self._sync.close()
        self._loop.close()
