"""UTF-8, read strictly: what is no UTF-8 is named by line and byte, with the remedy."""

from __future__ import annotations

import codecs
from itertools import count
from typing import TYPE_CHECKING

from ..errors import FilesError
from .base import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["check_utf8", "decode", "numbered_lines", "without_mark"]

_CHUNK = 1024 * 1024
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def check_utf8(path: Path, name: str) -> None:
    """Read a whole file once: not empty, not binary, UTF-8 from end to end.

    Costs about a second a gigabyte, and spares finding the bad byte after hours.

    Raises:
        FilesError: naming the line and the byte, and how to convert the file.
        OSError: when the file cannot be read.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    done, lines = 0, 1
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            if done == 0:
                _refuse_binary(chunk, name)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                lines += chunk.count(b"\n", 0, max(error.start - pending, 0))
                raise _not_utf8(error, name, lines, done - pending + error.start) from None
            done += len(chunk)
            lines += chunk.count(b"\n")
    pending = len(decoder.getstate()[0])
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _not_utf8(error, name, lines, done - pending) from None
    if done == 0:
        raise FilesError(f"{name} is empty: there is nothing to embed in it.")


def numbered_lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, str, int]]:
    r"""Yield (line counted from 1, text with its line end, bytes) of each line.

    Lines end with ``\n`` alone or ``\r\n``. A byte order mark at the very start is left out.

    Raises:
        FilesError: when a line is not UTF-8, or longer than MAX_TEXT.
    """
    offset = 0
    for number in count(1):
        raw = stream.readline(MAX_TEXT + 1)
        if not raw:
            return
        if len(raw) > MAX_TEXT:
            raise FilesError(
                f"{name}: line {number} is longer than {MAX_TEXT:,} bytes. "
                "A text is a line: is this a text file?"
            )
        text = decode(raw, name, line=number, offset=offset)
        yield number, without_mark(text) if number == 1 else text, len(raw)
        offset += len(raw)


def decode(raw: bytes, name: str, *, line: int = 1, offset: int = 0) -> str:
    """Decode bytes that begin at a line and an offset of a file.

    Raises:
        FilesError: when they are not UTF-8.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        lines = line + raw.count(b"\n", 0, error.start)
        raise _not_utf8(error, name, lines, offset + error.start) from None


def without_mark(text: str) -> str:
    """The text without a byte order mark at its start."""
    return text.removeprefix("\ufeff")


def _refuse_binary(chunk: bytes, name: str) -> None:
    if chunk.startswith(_UTF16):
        raise FilesError(
            f"{name} is UTF-16, not UTF-8. Convert it: iconv -f UTF-16 -t UTF-8 {name} > converted"
        )
    position = chunk.find(b"\0")
    if position >= 0:
        raise FilesError(
            f"{name} is a binary file (a zero byte at offset {position}), not text. "
            "Extract its text first."
        )


def _not_utf8(error: UnicodeDecodeError, name: str, line: int, offset: int) -> FilesError:
    byte = error.object[error.start] if error.start < len(error.object) else 0
    return FilesError(
        f"{name}: line {line}, byte offset {offset} (0x{byte:02x}): not UTF-8. "
        f"If the file is in Latin-1, convert it: iconv -f LATIN1 -t UTF-8 {name} > converted"
    )
