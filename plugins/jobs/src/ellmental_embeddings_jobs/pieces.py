"""Documents to pieces: each with its offsets and its own line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .document import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .document import Document
    from .splitting import Splitter

__all__ = ["pieces_of"]


def pieces_of(document: Document, splitter: Splitter) -> Iterator[Piece]:
    """The pieces of one document, in order; a document that fits is one piece.

    Raises:
        ConfigurationError: when the model takes no text at all.
    """
    line, counted = document.line, 0
    for number, (start, end) in enumerate(
        splitter.split(document.text, markdown=document.markdown)
    ):
        if document.whole:
            line += document.text.count("\n", counted, start)
            counted = start
        yield Piece(document=document, number=number, start=start, end=end, line=line)
