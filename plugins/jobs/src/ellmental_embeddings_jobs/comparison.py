"""Whether a complete dataset still is what its input would give; nothing is sent for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dataset import Manifest
from .dataset.failures import failed_texts
from .dataset.prefix import Prefix
from .document import Document, Failure
from .errors import FilesError
from .keys import text_key
from .pieces import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .document import Item, Piece
    from .sources import Source
    from .sources.registry import Opened
    from .splitting import Splitter

__all__ = ["is_unchanged"]


def is_unchanged(
    folder: Path,
    sources: Opened,
    splitter: Splitter,
    *,
    retry_failed: bool,
    kept: tuple[str, ...] = (),
) -> int | None:
    """Compare a complete dataset with its input, up to the first difference.

    Args:
        folder: the dataset.
        sources: the input. Where it can be read only once (standard input) nothing is compared.
        splitter: what cuts it.
        retry_failed: True where failed texts are to be sent again: any one is a difference.
        kept: names of the columns kept from the input.

    Returns:
        None where they differ, or it cannot be known; else the number of failed rows.

    Raises:
        FilesError: when one of them cannot be read.
    """
    manifest = Manifest.read(folder)
    failures = failed_texts(folder)
    if manifest is None or any(one.once for one in sources) or (retry_failed and failures):
        return None
    rows = Prefix(folder, kept)
    failed = 0
    try:
        for item in _items(sources, splitter):
            if isinstance(item, Failure):
                failed += 1
            elif not rows.matches(item):
                if text_key(item.text) not in failures:
                    return None
                failed += 1
        same = rows.exhausted and rows.matched == manifest.rows and failed == manifest.failed
        return failed if same else None
    finally:
        rows.close()


def _items(sources: Opened, splitter: Splitter) -> Iterator[Piece | Failure]:
    for source in sources:
        for item in _read(source):
            if isinstance(item, Document):
                yield from pieces_of(item, splitter)
            elif isinstance(item, Failure):
                yield item


def _read(source: Source) -> Iterator[Item]:
    try:
        yield from source.read()
    except OSError as error:
        raise FilesError(f"{source.name} cannot be read: {error.strerror or error}") from None
