"""Printing: data on stdout, everything else on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["note", "table"]


def note(message: str) -> None:
    """Say something that is not data, on stderr."""
    click.echo(message, err=True)


def table(rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
    """Rows as aligned columns; the last one is as long as it is."""
    cells = [list(row) for row in rows]
    if not cells:
        return ""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]) - 1)]
    return "\n".join(
        indent
        + "  ".join(
            [cell.ljust(width) for cell, width in zip(row, widths, strict=False)] + row[-1:]
        ).rstrip()
        for row in cells
    )
