"""Why rows cannot be embedded, by kind: 160 reasons are told as ``100 blank, 60 ragged``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from .errors import FilesError
from .naming import counted

if TYPE_CHECKING:
    from collections import Counter

    from .document import Failure

__all__ = ["kind_of", "require_text", "told_kinds"]

_KINDS = (
    (r"the whole file: ", "whole files"),
    (r"(line \d+, )?byte offset |a kept column holds bytes that", "not UTF-8"),
    (r"blank text", "blank"),
    (r"no text \(null\)|without the column ", "without a text"),
    (r"\d+ fields? where the header has", "ragged"),
    (r"a quotation mark that is never closed", "with a quotation mark left open"),
    (r"no valid CSV", "not CSV"),
    (r"not JSON", "not JSON"),
    (r"no usable id", "without a usable id"),
    (r"(line \d+, )?a line of |longer than ", "too long"),
    (r"a lone surrogate", "not Unicode"),
    (r"not a text but |.* where an object or a string is needed", "not a text"),
)


def kind_of(failure: Failure) -> str:
    """The kind of a failure's reason, in a word or a few."""
    if failure.piece is not None:
        return "refused by the generator"
    found = (kind for start, kind in _KINDS if re.match(start, failure.reason))
    return next(found, "for other reasons")


class _Counts(Protocol):
    """What input came to: its documents, and its rows that are none, by kind."""

    documents: int
    failed: int
    blank: int
    kinds: Counter[str]


def require_text(read: _Counts) -> None:
    """Make sure, at the end of the input, that there was something to embed.

    Raises:
        FilesError: there was not; says what there was instead.
    """
    if read.documents:
        return
    found = [told_kinds(read.kinds)] if read.failed else []
    if read.blank:
        found.append(counted(read.blank, "blank line"))
    why = f"it has no row with one: {', '.join(found)}" if found else "it has no row"
    raise FilesError(f"there is no text in the input: {why}.")


def told_kinds(kinds: Counter[str]) -> str:
    """How many of each, the most first: ``100 blank, 40 ragged``."""
    return ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())
