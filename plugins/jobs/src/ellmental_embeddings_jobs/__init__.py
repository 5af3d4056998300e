"""``ellmental embed`` and ``ellmental search``: files in, vectors out, nearest rows found.

Holds the hook alone: the command line imports it at every start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ellmental_embeddings import hookimpl

if TYPE_CHECKING:
    import click

__all__ = ["ellmental_commands"]


@hookimpl
def ellmental_commands(group: click.Group) -> None:
    """Add ``embed`` and ``search`` to ``ellmental``."""
    from .commands import COMMANDS

    for command in COMMANDS:
        group.add_command(command)
