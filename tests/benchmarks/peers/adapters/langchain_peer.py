"""langchain-openai: ``aembed_documents``, a batch a call, so that 64 can be in flight.

Given all texts at once it sends one request at a time. Counting tokens is off: it would download
a vocabulary first.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from together import gathered

DISTS = ("langchain-openai", "openai")


class Adapter:
    """``OpenAIEmbeddings``."""

    def __init__(self, url: str, width: int, batch: int, in_flight: int) -> None:
        self._batch, self._in_flight = batch, in_flight
        self._model = import_module("langchain_openai").OpenAIEmbeddings(
            model="m",
            base_url=url,
            api_key="key",
            chunk_size=batch,
            check_embedding_ctx_length=False,
        )
        self._loop = asyncio.new_event_loop()

    def many(self, texts: list[str]) -> Any:
        """All vectors, as lists of floats."""
        return self._loop.run_until_complete(
            gathered(self._model.aembed_documents, texts, self._batch, self._in_flight)
        )

    def one(self, text: str) -> Any:
        """The vector of one text, a list of floats."""
        return self._model.embed_query(text)

    def close(self) -> None:
        """Nothing to close that it shows."""
        self._loop.close()
