"""What travels through a job: what a source yields, and the pieces that are embedded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Blank", "Document", "Failure", "Item", "Piece"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One text as it stands in its file.

    Attributes:
        id: the value of the ``--id`` column, else ``source:line`` (Markdown: ``source``).
        text: the whole text, unaltered; not blank, and it encodes to UTF-8.
        source: path of its file as given, with forward slashes.
        line: where it begins, counted from 1: the line, or in Parquet the row.
        size: bytes of the file that it took, for the progress bar.
        whole: True where it is a whole file: the text's own lines are lines of the file.
        markdown: True where headings are to be looked for.
        kept: other columns of its row, by name, as Arrow takes them; they go into every row
            that is made of it.
    """

    id: str
    text: str
    source: str
    line: int
    size: int = 0
    whole: bool = False
    markdown: bool = False
    kept: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a document that fits the model: one row of the output.

    Attributes:
        document: whose part it is.
        number: which one, counted from 0.
        start: where it begins, in characters of ``document.text``.
        end: where it ends: ``document.text[start:end]`` is the piece.
        line: where it begins, as ``Document.line``; within Markdown the piece's own line.
    """

    document: Document
    number: int
    start: int
    end: int
    line: int

    @property
    def text(self) -> str:
        """What is embedded."""
        return self.document.text[self.start : self.end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A row of the input, or a piece of it, that has no vector; a line of ``_failed.jsonl``.

    Attributes:
        id: as ``Document.id``; None where the id itself could not be read.
        source: as ``Document.source``.
        line: as ``Document.line``.
        reason: why, in words.
        piece: which piece of the document; None where it was never split.
        start: where the piece begins in the document's text, or None.
        end: where the piece ends in the document's text, or None.
        size: bytes of the file that it took, for the progress bar.
        key: of its text, in hexadecimal; None where there is no text to be tried again.
    """

    id: str | None
    source: str
    line: int
    reason: str
    piece: int | None = None
    start: int | None = None
    end: int | None = None
    size: int = 0
    key: str | None = None

    @property
    def place(self) -> str:
        """Where it stands, for people: ``notes.txt:12``."""
        piece = f", piece {self.piece}" if self.piece else ""
        return f"{self.source}:{self.line}{piece}"


@dataclass(frozen=True, slots=True)
class Blank:
    """A blank line or an empty file of a folder: passed over, and counted.

    Attributes:
        size: bytes of the file that it took, for the progress bar.
    """

    size: int = 0


Item = Document | Failure | Blank
"""What a source yields."""
