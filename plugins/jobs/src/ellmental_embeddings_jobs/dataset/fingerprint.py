"""What tells the parts of a dataset from any others, without reading them."""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .reader import Dataset

__all__ = ["fingerprint"]

_FOOTER = 8
"""Bytes at the end of a Parquet file: the length of its metadata, and ``PAR1``."""


def fingerprint(dataset: Dataset) -> str:
    """A hash of the parts' names, sizes, times, and the files' own metadata.

    Raises:
        OSError: a part cannot be read.
    """
    digest = blake2b(digest_size=16)
    for path in dataset.parts:
        with path.open("rb") as stream:
            about = os.fstat(stream.fileno())
            stream.seek(-_FOOTER, os.SEEK_END)
            length = int.from_bytes(stream.read(4), "little")
            stream.seek(-min(length + _FOOTER, about.st_size), os.SEEK_END)
            digest.update(f"{path.name} {about.st_size} {about.st_mtime_ns} ".encode())
            digest.update(stream.read())
    return digest.hexdigest()
