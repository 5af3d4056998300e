"""Rows in, a dataset folder out: bounded memory, whole parts only, nothing said that is not so."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..errors import FilesError
from .files import publish, sync_folder, temporary_name
from .manifest import FAILED, Manifest, PartEntry, is_ours, part_name
from .part import PartWriter, row_group, schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    import numpy as np
    from numpy.typing import NDArray

    from ellmental_embeddings import Space

    from ..document import Failure, Piece

__all__ = ["DatasetWriter", "check_output"]

ROWS_PER_GROUP = 16_000
ROWS_PER_PART = 64_000
BYTES_PER_GROUP = 64 * 1024 * 1024


def check_output(out: Path, *, overwrite: bool) -> None:
    """Refuse an OUT that exists, or with ``overwrite`` one that is not a dataset.

    Raises:
        FilesError: saying what stands there and what to do.
    """
    name = out.as_posix()
    for beside in (_beside(out, "new"), _beside(out, "old")) if overwrite else ():
        if os.path.lexists(beside):
            raise FilesError(
                f"{beside.as_posix()} exists: an earlier --overwrite did not finish, or still "
                "runs. Move it away or remove it."
            )
    if not os.path.lexists(out):
        return
    if not overwrite:
        raise FilesError(f"{name} exists. Choose another --output, or replace it with --overwrite.")
    if not out.is_dir() or out.is_symlink() or not is_ours(out):
        raise FilesError(
            f"{name} is not a dataset alone: --overwrite replaces nothing else. "
            "Choose another --output."
        )


def _beside(out: Path, suffix: str) -> Path:
    return out.absolute().with_name(f"{out.absolute().name}.{suffix}")


class DatasetWriter:
    """Writes one dataset. Rows are held until a row group is full, never more.

    Where OUT exists (and may be replaced), everything is written to ``OUT.new`` beside it, and
    the two are swapped at the end.

    Attributes:
        folder: where the parts are written.
        manifest: what is known so far; ``rows`` and ``parts`` count what has its name already.
    """

    def __init__(self, out: Path, manifest: Manifest, *, overwrite: bool = False) -> None:
        check_output(out, overwrite=overwrite)
        self.out = out
        self.manifest = manifest
        self._replaces = os.path.lexists(out)
        self.folder = _beside(out, "new") if self._replaces else out
        self._space: Space | None = None
        self._schema: Any = None
        self._part: PartWriter | None = None
        self._pieces: list[Piece] = []
        self._vectors: list[NDArray[np.float32]] = []
        self._bytes = 0
        self._failures: BinaryIO | None = None
        self._create()

    def add(self, pieces: Sequence[Piece], vectors: NDArray[np.float32], space: Space) -> None:
        """Take finished rows; vectors float32, shape (len(pieces), dimensions), all finite.

        Raises:
            SpaceMismatch: when the rows are of another space than those before.
            OSError: when the disk is full.
        """
        if self._space is None:
            self._begin(space, int(vectors.shape[1]))
        elif space is not self._space:
            self._space.require_same(space)
        self._pieces.extend(pieces)
        self._vectors.append(vectors)
        self._bytes += vectors.nbytes + sum(piece.end - piece.start for piece in pieces)
        if len(self._pieces) >= ROWS_PER_GROUP or self._bytes >= BYTES_PER_GROUP:
            self._flush()

    def fail(self, failure: Failure) -> None:
        """Note a row without a vector.

        Raises:
            OSError: when the disk is full.
        """
        if self._failures is None:
            self._failures = temporary_name(self.folder / FAILED).open("wb")
        fields = {name: value for name, value in asdict(failure).items() if name != "size"}
        line = json.dumps(fields, ensure_ascii=False) + "\n"
        self._failures.write(line.encode("utf-8", "replace"))
        self.manifest.failed += 1

    def finish(self) -> None:
        """Write what is held, say that it is complete, and put it in place of an older OUT.

        Raises:
            OSError: when the disk is full.
        """
        self._flush()
        self._close_part()
        self._publish_failures()
        self.manifest.complete = True
        self.manifest.reason = None
        self.manifest.write(self.folder)
        if self._replaces:
            self._swap()

    def stop(self, reason: str) -> int:
        """End early: keep the rows that are finished, and say in the manifest why.

        Returns:
            rows that are kept; 0 where there was nothing, and the folder is gone again.
        """
        with suppress(OSError):  # the disk is full: the parts written before stay
            self._flush()
            self._close_part()
        self.manifest.complete = False
        self.manifest.reason = reason
        with suppress(OSError):
            self._publish_failures()
        if self._failures is not None:
            self._failures.close()
        if self.manifest.rows == 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            return 0
        with suppress(OSError):  # the one written at the beginning says "not complete", too
            self.manifest.write(self.folder)
        return self.manifest.rows

    def _create(self) -> None:
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir()  # exclusive: two jobs with one OUT collide here
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            self.manifest.write(self.folder)
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> FilesError:
        return FilesError(f"{self.out.as_posix()} cannot be written: {error.strerror or error}")

    def _begin(self, space: Space, dimensions: int) -> None:
        self._space = space
        self.manifest.space = space.to_dict()
        self._schema = schema(dimensions, self.manifest.part_metadata())

    def _flush(self) -> None:
        if not self._pieces:
            return
        import numpy as np

        pieces, vectors = self._pieces, np.concatenate(self._vectors)
        self._pieces, self._vectors, self._bytes = [], [], 0
        if self._part is None:
            number = len(self.manifest.parts)
            self._part = PartWriter(self.folder / part_name(number), self._schema)
        part = self._part
        with self._whole_or_gone(part):
            part.add(row_group(pieces, vectors, self._schema))
        if part.rows >= ROWS_PER_PART:
            self._close_part()

    def _close_part(self) -> None:
        if self._part is None:
            return
        part = self._part
        with self._whole_or_gone(part):
            part.close()
        self._part = None
        self.manifest.parts.append(PartEntry(name=part.path.name, rows=part.rows))
        self.manifest.rows += part.rows

    @contextmanager
    def _whole_or_gone(self, part: PartWriter) -> Iterator[None]:
        """A part that failed once is never tried again: it could be closed, with rows missing."""
        try:
            yield
        except BaseException:
            self._part = None
            part.discard()
            raise

    def _publish_failures(self) -> None:
        if self._failures is None:
            return
        self._failures.flush()
        os.fsync(self._failures.fileno())
        self._failures.close()
        self._failures = None
        publish(temporary_name(self.folder / FAILED), self.folder / FAILED)

    def _swap(self) -> None:
        """Put the new dataset where the old one is. The old one is removed last.

        No system-independent call swaps two folders: a kill between the two renames leaves
        both, whole, as OUT.old and OUT.new.
        """
        old = _beside(self.out, "old")
        self.out.rename(old)
        self.folder.rename(self.out)
        sync_folder(old.parent)
        self.folder = self.out
        shutil.rmtree(old, ignore_errors=True)
