"""Files as streams of bytes, packed or not; a packed one is unpacked block by block."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from ..errors import FilesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from .base import Source

__all__ = ["PACKED", "Compression", "Stream", "open_stream"]

Compression = Literal["gzip", "zstd"]

PACKED: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
"""A file's last ending -> how it is packed."""

_BLOCK = 256 * 1024


class Stream:
    """Bytes to read, and how much of the file they took."""

    def __init__(self, stream: BinaryIO, name: str, packed: BinaryIO | None = None) -> None:
        self._stream = stream
        self._name = name
        self._packed = packed
        self._before = 0

    def readline(self, most: int) -> bytes:
        """Up to and with the next line end, at most so many bytes.

        Raises:
            FilesError: when a packed file is damaged.
        """
        with self._explained():
            return self._stream.readline(most)

    def read(self, most: int) -> bytes:
        """At most so many bytes; none at the end.

        Raises:
            FilesError: when a packed file is damaged.
        """
        with self._explained():
            return self._stream.read(most)

    def taken(self, unpacked: int) -> int:
        """Bytes of the file since the last call, of which ``unpacked`` bytes were made."""
        if self._packed is None:
            return unpacked
        before, self._before = self._before, self._packed.tell()
        return self._before - before

    @contextmanager
    def _explained(self) -> Iterator[None]:
        if self._packed is None:
            yield
            return
        try:
            yield
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise FilesError(f"{self._name} is damaged, it cannot be unpacked: {error}") from None


@contextmanager
def open_stream(source: Source) -> Iterator[Stream]:
    """The bytes of a source, unpacked.

    Raises:
        OSError: when the file cannot be opened.
        FilesError: when there is no standard input.
    """
    if source.once:
        if sys.stdin is None:  # closed by whoever started the command
            raise FilesError("there is no standard input to read.")
        # Not sys.stdin's own buffer: a program that ends while a thread reads it dies of that.
        with open(sys.stdin.fileno(), "rb", closefd=False) as stream:
            yield Stream(stream, source.name)
        return
    with source.path.open("rb") as file:
        if source.compression is None:
            yield Stream(file, source.name)
        elif source.compression == "gzip":
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield Stream(io.BufferedReader(unpacked, _BLOCK), source.name, file)
        else:
            with io.BufferedReader(_Zstd(file), _BLOCK) as stream:
                yield Stream(stream, source.name, file)


class _Zstd(io.RawIOBase):
    """Frames of zstd, one behind the other, by the codec that pyarrow brings."""

    def __init__(self, file: BinaryIO) -> None:
        import pyarrow as pa

        self._unpacked: Any = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._unpacked.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
