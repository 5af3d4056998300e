"""Whether a complete dataset still is what its input would give; nothing is sent for it."""

from __future__ import annotations

from dataclasses import dataclass
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

__all__ = ["Unchanged", "compared"]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A dataset that has all of its input.

    Attributes:
        failed: its failed rows.
        texts: those of them that are texts, and could be sent again.
    """

    failed: int
    texts: int


def compared(
    folder: Path,
    sources: Opened,
    splitter: Splitter,
    *,
    kept: tuple[str, ...] = (),
) -> Unchanged | None:
    """Compare a complete dataset with its input, up to the first difference.

    Args:
        folder: the dataset.
        sources: the input. Where it can be read only once (standard input) nothing is compared.
        splitter: what cuts it.
        kept: names of the columns kept from the input.

    Returns:
        None where they differ, or it cannot be known.

    Raises:
        FilesError: when one of them cannot be read.
    """
    manifest = Manifest.read(folder)
    failures = failed_texts(folder)
    if manifest is None or any(one.once for one in sources):
        return None
    rows = Prefix(folder, kept)
    failed = texts = 0
    try:
        for item in _items(sources, splitter):
            if isinstance(item, Failure):
                failed += 1
            elif not rows.matches(item):
                if text_key(item.text) not in failures:
                    return None
                failed += 1
                texts += 1
        same = rows.exhausted and rows.matched == manifest.rows and failed == manifest.failed
        return Unchanged(failed, texts) if same else None
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
