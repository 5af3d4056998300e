"""Lines of standard input as they come: none waits for the next one to be typed."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import threading
from typing import TYPE_CHECKING

import click

from . import exit_codes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["NotText", "lines_of_stdin"]

_CHUNK = 65536
_AHEAD = 4
"""Chunks that are read before the first of them is used."""


class NotText(click.ClickException):
    """Standard input is not UTF-8."""

    exit_code = exit_codes.FILES


async def lines_of_stdin() -> AsyncIterator[str]:
    """The lines of standard input, as UTF-8 on every system; only line ends end a line.

    Raises:
        NotText: naming the line that is none.
    """
    number, begun = 0, list[bytes]()  # a long line is put together once, not with every chunk
    async for chunk in _chunks(_reader()):
        first, *others = chunk.split(b"\n")
        begun.append(first)
        for start in others:
            number += 1
            yield _text(b"".join(begun), number)
            begun = [start]
    if rest := b"".join(begun):
        yield _text(rest, number + 1)


def _text(line: bytes, number: int) -> str:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise NotText(f"standard input is not UTF-8 text: see line {number}.") from None
    return text.removesuffix("\r")


def _reader() -> Callable[[], bytes]:
    """Reads what is there, at least a byte; nothing at the end."""
    if sys.stdin is None:  # closed by whoever started the command
        return lambda: b""
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, io.UnsupportedOperation):  # replaced by something in memory
        return lambda: sys.stdin.buffer.read(_CHUNK)
    # Not through Python's buffer: a thread that waits in it keeps the interpreter from exiting.
    return lambda: os.read(descriptor, _CHUNK)


async def _chunks(read: Callable[[], bytes]) -> AsyncIterator[bytes]:
    """What a blocking function returns, read in a thread that keeps nobody from exiting."""
    loop, room = asyncio.get_running_loop(), threading.Semaphore(_AHEAD)
    chunks: asyncio.Queue[bytes | OSError] = asyncio.Queue()
    ended = threading.Event()

    def work() -> None:
        chunk: bytes | OSError = b"-"
        while chunk and not isinstance(chunk, OSError) and not ended.is_set():
            room.acquire()
            try:
                chunk = read()
            except OSError as error:
                chunk = error
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:  # the loop was closed meanwhile
                return

    threading.Thread(target=work, name="ellmental-stdin", daemon=True).start()
    try:
        while chunk := await chunks.get():
            if isinstance(chunk, OSError):
                raise chunk
            room.release()
            yield chunk
    finally:
        ended.set()
        room.release()
