"""Printing: data on stdout, everything else on stderr."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["note", "table"]

_NARROWEST = 32
"""Characters that the last column needs beside the others; with fewer it goes below them."""


def note(message: str) -> None:
    """Say something that is not data, on stderr; where that is full or gone, unheard."""
    try:
        click.echo(message, err=True)
    except OSError:  # for good: Python would exit with 120 for what it cannot write at the end
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def table(rows: Iterable[Sequence[str]], *, indent: str = "", columns: int | None = None) -> str:
    """Rows as aligned columns.

    Args:
        rows: cells; all rows have as many.
        indent: what each line begins with.
        columns: most characters of a line, which the last cells are wrapped for. By default the
            terminal's; where stdout is none there is no limit, so that ``grep`` finds whole rows.
    """
    cells = [list(row) for row in rows]
    if not cells:
        return ""
    if columns is None and sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]) - 1)]
    heads = [
        indent + "".join(f"{cell:{width}}  " for cell, width in zip(row, widths, strict=False))
        for row in cells
    ]
    longest = max(len(row[-1]) for row in cells)
    if columns is None or len(heads[0]) + longest <= columns:
        lines = [head + row[-1] for head, row in zip(heads, cells, strict=True)]
    else:
        beside = columns - len(heads[0]) >= _NARROWEST
        margin = " " * len(heads[0]) if beside else f"{indent}    "
        lines = []
        for head, row in zip(heads, cells, strict=True):
            last = textwrap.fill(
                row[-1],
                max(columns, len(margin) + _NARROWEST),
                initial_indent=margin,
                subsequent_indent=margin,
                break_long_words=False,
                break_on_hyphens=False,
            )
            lines.append(head + last[len(margin) :] if beside else f"{head.rstrip()}\n{last}")
    return "\n".join(line.rstrip() for line in lines)
