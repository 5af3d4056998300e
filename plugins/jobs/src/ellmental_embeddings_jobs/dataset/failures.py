"""``_failed.jsonl``: the rows without a vector, a line each."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, BinaryIO

from .files import publish, temporary_name
from .manifest import FAILED

if TYPE_CHECKING:
    from pathlib import Path

    from ..document import Failure

__all__ = ["FailureList", "failed_texts"]


class FailureList:
    """Written in the order of the input, under a temporary name until it is published.

    Attributes:
        count: lines so far.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FAILED
        self._stream: BinaryIO | None = None
        self.count = 0

    def add(self, failure: Failure) -> None:
        """Note a row without a vector.

        Raises:
            OSError: when the disk is full.
        """
        if self._stream is None:
            self._stream = temporary_name(self._path).open("wb")
        fields = {name: value for name, value in asdict(failure).items() if name != "size"}
        line = json.dumps(fields, ensure_ascii=False) + "\n"
        self._stream.write(line.encode("utf-8", "replace"))
        self.count += 1

    def publish(self, *, complete: bool) -> None:
        """Give it its name, in place of an older one.

        Args:
            complete: False where the input was not read to its end: then an older list stands,
                since it may know of more.

        Raises:
            OSError: when the disk is full.
        """
        if self._stream is None:
            if complete:
                self._path.unlink(missing_ok=True)
            return
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self.close()
        if complete or not self._path.exists():
            publish(temporary_name(self._path), self._path)
        else:
            temporary_name(self._path).unlink()

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def failed_texts(folder: Path) -> dict[bytes, str]:
    """Key -> reason of the texts that a dataset says have failed for good."""
    found: dict[bytes, str] = {}
    path = folder / FAILED
    if not path.exists():
        return found
    with path.open("rb") as stream:
        for line in stream:
            try:
                stored = json.loads(line)
                if stored.get("key") is not None:
                    found[bytes.fromhex(stored["key"])] = str(stored["reason"])
            except (ValueError, AttributeError, KeyError, TypeError):
                continue  # edited by hand: its text is then tried again
    return found
