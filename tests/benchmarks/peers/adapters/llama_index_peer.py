"""llama-index: ``aget_text_embedding_batch`` with 64 workers."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

DISTS = ("llama-index-embeddings-openai", "llama-index-core", "openai")


class Adapter:
    """``OpenAIEmbedding``."""

    def __init__(self, url: str, width: int, batch: int, in_flight: int) -> None:
        self._model = import_module("llama_index.embeddings.openai").OpenAIEmbedding(
            model_name="m",
            api_base=url,
            api_key="key",
            embed_batch_size=batch,
            num_workers=in_flight,
        )
        self._loop = asyncio.new_event_loop()

    def many(self, texts: list[str]) -> Any:
        """All vectors, as lists of floats."""
        return self._loop.run_until_complete(self._model.aget_text_embedding_batch(texts))

    def one(self, text: str) -> Any:
        """The vector of one text, a list of floats."""
        return self._model.get_text_embedding(text)

    def close(self) -> None:
        """Nothing to close that it shows."""
        self._loop.close()
