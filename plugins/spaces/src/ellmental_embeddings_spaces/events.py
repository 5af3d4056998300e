"""Server-sent events: the data of each, as bytes, however long and however cut into chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ellmental_embeddings import BatchTooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

__all__ = ["event_data"]

_FIELD = b"data:"


async def event_data(chunks: AsyncIterable[bytes], *, most: int) -> AsyncIterator[bytes]:
    """The ``data:`` of every event of a stream.

    Bytes are put together before anything is decoded: a character may come in two chunks, a
    line in thousands.

    Args:
        chunks: the stream, cut anywhere.
        most: bytes that one line, and one event, may have.

    Raises:
        BatchTooLarge: it is longer; a smaller batch makes a shorter one.
    """
    data: list[bytes] = []
    size = 0
    async for line in _lines(chunks, most):
        if line.startswith(_FIELD):
            data.append(line[len(_FIELD) :].removeprefix(b" "))
            size += len(line)
            if size > most:
                raise BatchTooLarge(f"an event of the answer is over {most:,} bytes")
        elif not line and data:
            yield b"\n".join(data)
            data, size = [], 0
    # A stream that ends within an event has lost it: what is left is not handed out.


async def _lines(chunks: AsyncIterable[bytes], most: int) -> AsyncIterator[bytes]:
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            parts.append(piece)
            yield b"".join(parts).removesuffix(b"\r")
            parts, size = [], 0
        parts.append(rest)
        size += len(rest)
        if size > most:
            raise BatchTooLarge(f"a line of the answer is over {most:,} bytes")
