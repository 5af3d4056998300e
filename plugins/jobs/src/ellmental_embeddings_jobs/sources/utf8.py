"""UTF-8, read strictly: what is no UTF-8 is named by line and byte, with the remedy."""

from __future__ import annotations

import codecs
from itertools import count
from typing import TYPE_CHECKING, Self

from .base import MAX_TEXT, Unusable
from .streams import open_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .base import Source
    from .streams import Stream

__all__ = ["BadLine", "check_text", "decode", "numbered_lines", "without_mark"]

_CHUNK = 1024 * 1024
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class BadLine(str):
    """A line that cannot be used, with its unreadable bytes replaced.

    Attributes:
        reason: why.
    """

    __slots__ = ("reason",)
    reason: str

    def __new__(cls, text: str, reason: str) -> Self:
        """A line and what is wrong with it."""
        line = super().__new__(cls, text)
        line.reason = reason
        return line


def check_text(source: Source) -> None:
    """Look at the first megabyte of a text file.

    Raises:
        Unusable: when it is empty, binary, or UTF-16.
        FilesError: when it is packed and damaged.
        OSError: when it cannot be read.
    """
    if source.once:
        return
    with open_stream(source) as stream:
        _refuse_binary(stream.read(_CHUNK), source.name)


def numbered_lines(stream: Stream, name: str) -> Iterator[tuple[int, str, int]]:
    r"""Yield (line counted from 1, text with its line end, bytes of the file) of each line.

    Lines end with ``\n`` alone or ``\r\n``. A byte order mark at the very start is left out. A
    line that is not UTF-8 or longer than MAX_TEXT is a ``BadLine``; of a long one no more than
    that is ever held.

    Raises:
        FilesError: when a packed file is damaged.
    """
    offset = 0
    for number in count(1):
        raw = stream.readline(MAX_TEXT + 1)
        if not raw:
            return
        length, line = len(raw), ""
        if length > MAX_TEXT:
            while not raw.endswith(b"\n") and (raw := stream.readline(_CHUNK)):
                length += len(raw)
            line = BadLine(
                "\n",
                f"a line of {length:,} bytes: a text may have {MAX_TEXT:,}. Is it a text file?",
            )
        else:
            line = decode(raw, name, offset)
        yield number, without_mark(line) if number == 1 else line, stream.taken(length)
        offset += length


def decode(raw: bytes, name: str, offset: int = 0) -> str:
    """The text of bytes that begin at an offset of a file; a BadLine where they are not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        reason = (
            f"byte offset {offset + error.start} (0x{byte:02x}): not UTF-8. "
            f"If the file is in Latin-1, convert it: iconv -f LATIN1 -t UTF-8 {name} > converted"
        )
        return BadLine(raw.decode("utf-8", "replace"), reason)


def without_mark(text: str) -> str:
    """The text without a byte order mark at its start."""
    return text if isinstance(text, BadLine) else text.removeprefix("\ufeff")


def _refuse_binary(chunk: bytes, name: str) -> None:
    if not chunk:
        raise Unusable(f"{name} is empty: there is nothing to embed in it.")
    if chunk.startswith(_UTF16):
        raise Unusable(
            f"{name} is UTF-16, not UTF-8. Convert it: iconv -f UTF-16 -t UTF-8 {name} > converted"
        )
    position = chunk.find(b"\0")
    if position >= 0:
        raise Unusable(
            f"{name} is a binary file (a zero byte at offset {position}), not text. "
            "Extract its text first."
        )
