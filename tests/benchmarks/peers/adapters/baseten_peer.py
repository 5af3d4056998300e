"""baseten-performance-client: written in Rust, ``.numpy()`` of its answer."""

from __future__ import annotations

from importlib import import_module
from typing import Any

DISTS = ("baseten-performance-client",)


class Adapter:
    """``PerformanceClient.embed``; it splits into batches by itself, and asks for floats."""

    def __init__(self, url: str, width: int, batch: int, in_flight: int) -> None:
        library = import_module("baseten_performance_client")
        base = url.removesuffix("/v1")
        self._client = library.PerformanceClient(base_url=base, api_key="key")
        self._preference = library.RequestProcessingPreference(
            # Its other limit, 8,000 characters a request by default, would cut batches smaller.
            batch_size=min(batch, 1_024),  # the most it takes
            max_concurrent_requests=in_flight,
            max_chars_per_request=min(1_000 * batch, 1 << 20),
        )

    def many(self, texts: list[str]) -> Any:
        """All vectors, as one matrix."""
        return self._client.embed(input=texts, model="m", preference=self._preference).numpy()

    def one(self, text: str) -> Any:
        """The vector of one text."""
        return self._client.embed(input=[text], model="m").numpy()[0]

    def close(self) -> None:
        """Nothing to close that it shows."""
