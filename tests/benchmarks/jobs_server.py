"""A loopback server that costs next to nothing: any text has one of 8,192 fixed vectors.

Speaks POST /v1/embeddings as OpenAI does, floats or base64, on as many connections as come.

    python jobs_server.py DIMENSIONS        prints its port, then serves until its stdin ends
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import zlib

import numpy as np

_KINDS = 8192


class _Vectors:
    """The fixed vectors, spelled beforehand."""

    def __init__(self, dimensions: int) -> None:
        made = np.random.default_rng(0).standard_normal((_KINDS, dimensions)).astype("<f4")
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        self.floats = [json.dumps([round(float(x), 8) for x in row]).encode() for row in made]
        self.base64 = [b'"%s"' % base64.b64encode(row.tobytes()) for row in made]

    def answer(self, body: dict[str, object]) -> bytes:
        """The answer to one request."""
        given = body["input"]
        texts = [given] if isinstance(given, str) else given
        assert isinstance(texts, list)
        spelled = self.base64 if body.get("encoding_format") == "base64" else self.floats
        rows = b",".join(
            b'{"object":"embedding","index":%d,"embedding":%s}'
            % (index, spelled[zlib.crc32(text.encode()) % _KINDS])
            for index, text in enumerate(texts)
        )
        tokens = sum(len(text) // 4 + 1 for text in texts)
        return (
            b'{"object":"list","model":%s,"usage":{"prompt_tokens":%d,"total_tokens":%d},'
            b'"data":[%s]}' % (json.dumps(body["model"]).encode(), tokens, tokens, rows)
        )


async def _serve(dimensions: int) -> None:
    vectors = _Vectors(dimensions)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                answer = vectors.answer(json.loads(await reader.readexactly(length)))
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                    b"content-length: %d\r\n\r\n" % len(answer) + answer
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
