"""The floor: the least that can be written by hand over aiohttp, which OPENAI uses too.

It trusts the server blindly: no retries, no limits, no checks of indices, counts or numbers.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

DISTS = ("aiohttp", "pybase64")

_MARK = b'"embedding": "'


class Adapter:
    """Posts batches, cuts the vectors out of the answers by position."""

    def __init__(self, url: str, width: int, batch: int, in_flight: int) -> None:
        self._url, self._width, self._batch = f"{url}/embeddings", width, batch
        self._in_flight = in_flight
        self._loop = asyncio.new_event_loop()
        self._session: Any = None

    def many(self, texts: list[str]) -> Any:
        """All vectors, as one matrix."""
        import numpy as np

        matrix = np.empty((len(texts), self._width), np.float32)
        self._loop.run_until_complete(self._drive(texts, matrix))
        return matrix

    def one(self, text: str) -> Any:
        """The vector of one text."""
        return self.many([text])[0]

    async def _drive(self, texts: list[str], matrix: Any) -> None:
        if self._session is None:
            import aiohttp

            connector = aiohttp.TCPConnector(limit=self._in_flight)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        starts = iter(range(0, len(texts), self._batch))

        async def work() -> None:
            for start in starts:
                await self._ask(texts[start : start + self._batch], matrix[start:])

        requests = -(-len(texts) // self._batch)
        await asyncio.gather(*(work() for _ in range(min(self._in_flight, requests))))

    async def _ask(self, texts: list[str], rows: Any) -> None:
        import numpy as np
        from pybase64 import b64decode

        fields = {"model": "m", "input": texts, "encoding_format": "base64"}
        headers = {"Content-Type": "application/json", "Authorization": "Bearer key"}
        async with self._session.post(
            self._url, data=json.dumps(fields).encode(), headers=headers
        ) as response:
            content = await response.read()
        view, stop = memoryview(content), 0
        for row in range(len(texts)):
            start = content.index(_MARK, stop) + len(_MARK)
            stop = content.index(b'"', start)
            rows[row] = np.frombuffer(b64decode(view[start:stop], validate=True), np.float32)

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._loop.run_until_complete(self._session.close())
        self._loop.close()
