"""One file of a journal: an Arrow IPC stream, a record batch for each finished batch.

Written in one ``write`` a batch, with a checksum in the batch's own metadata; read up to the
first batch that is torn or wrong.
"""

from __future__ import annotations

import os
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..keys import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SegmentWriter", "read_segment"]

_CHECKSUM = b"crc32"
_LONGEST_UNSYNCED = 1.0
_SYNC_SHARE = 10

_sync = getattr(os, "fdatasync", os.fsync)


class SegmentWriter:
    """Appends finished batches. What ``append`` has returned from survives the process.

    It survives a power cut once it is synced: that is done at once, but where that would take
    more than a tenth of the time (a fast local model), and then every second.

    Raises:
        OSError: from every method, when the disk is full; what was appended before stands.
    """

    def __init__(self, path: Path, dimensions: int) -> None:
        import pyarrow as pa

        self._schema = pa.schema(
            [
                pa.field("key", pa.binary(KEY_BYTES), nullable=False),
                pa.field("vector", pa.list_(pa.float32(), dimensions), nullable=False),
            ]
        )
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._end = 0
        self._waiting = _Waiting()
        self._synced_at = self._sync_took = float("-inf")
        try:
            self._writer = pa.ipc.new_stream(pa.PythonFile(self._waiting, mode="w"), self._schema)
            self._flush()
        except BaseException:
            os.close(self._handle)
            with suppress(OSError):
                path.unlink()
            raise

    def append(self, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> bool:
        """Append one batch: keys of KEY_BYTES, vectors of shape (keys, dimensions).

        Returns:
            whether it was synced.
        """
        import numpy as np
        import pyarrow as pa

        flat = np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1)
        batch = pa.record_batch(
            [
                pa.array(keys, pa.binary(KEY_BYTES)),
                pa.FixedSizeListArray.from_arrays(pa.array(flat), vectors.shape[1]),
            ],
            schema=self._schema,
        )
        self._writer.write_batch(batch, custom_metadata={_CHECKSUM: _checksum(keys, flat)})
        self._flush()
        due = time.monotonic() - self._synced_at >= min(
            _LONGEST_UNSYNCED, _SYNC_SHARE * self._sync_took
        )
        if due:
            self.sync()
        return due

    def sync(self) -> None:
        """Make what was appended survive a power cut."""
        began = time.monotonic()
        _sync(self._handle)
        self._synced_at = time.monotonic()
        self._sync_took = self._synced_at - began

    def close(self) -> None:
        """Sync and close."""
        try:
            self.sync()
        finally:
            os.close(self._handle)

    def _flush(self) -> None:
        content = memoryview(b"".join(self._waiting.pieces))
        self._waiting.pieces.clear()
        try:
            while content:
                content = content[os.write(self._handle, content) :]
        except OSError:
            # A torn batch in the middle would hide those behind it.
            with suppress(OSError):
                os.ftruncate(self._handle, self._end)
                os.lseek(self._handle, self._end, os.SEEK_SET)
            raise
        self._end = os.lseek(self._handle, 0, os.SEEK_CUR)


class _Waiting:
    """What Arrow writes, until it is written with one call."""

    closed = False

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, content: bytes) -> int:
        self.pieces.append(bytes(content))
        return len(content)

    def flush(self) -> None:
        """Nothing: the writer decides when."""

    def close(self) -> None:
        """Nothing: the writer closes the file."""


def read_segment(path: Path) -> Iterator[tuple[list[bytes], NDArray[np.float32]]]:
    """Yield (keys, vectors) of each batch, up to the first that is torn or wrong.

    The vectors are views of the mapped file: they take no memory of their own.
    """
    import pyarrow as pa

    with suppress(pa.ArrowException, OSError, EOFError), pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_stream(file)
        while True:
            try:
                batch, metadata = reader.read_next_batch_with_custom_metadata()
            except StopIteration:
                return
            found = _checked(batch, metadata)
            if found is None:
                return
            yield found


def _checked(batch: Any, metadata: Any) -> tuple[list[bytes], NDArray[np.float32]] | None:
    keys = batch.column(0).to_pylist()
    width = batch.schema.field(1).type.list_size
    flat = batch.column(1).flatten().to_numpy(zero_copy_only=True)
    if metadata is None or dict(metadata).get(_CHECKSUM) != _checksum(keys, flat):
        return None
    return keys, flat.reshape(-1, width)


def _checksum(keys: Sequence[bytes], flat: NDArray[np.float32]) -> bytes:
    return b"%08x" % zlib.crc32(flat.view("u1").data, zlib.crc32(b"".join(keys)))
