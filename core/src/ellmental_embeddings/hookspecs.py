"""Every hook a plugin can implement. Hooks only register; classes do the work.

A hook is never ``async``: pluggy would hand back a coroutine that nobody awaits. The registry
refuses such a plugin and says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from .spec import GeneratorSpec

__all__ = ["PROJECT", "ellmental_commands", "ellmental_generators", "hookimpl", "hookspec"]

PROJECT = "ellmental_embeddings"
"""The name under which pluggy matches hook specifications with implementations."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Decorates a plugin's hooks: ``from ellmental_embeddings import hookimpl``."""


@hookspec
def ellmental_generators() -> list[GeneratorSpec]:  # type: ignore[empty-body]
    """Return the generators that this plugin offers.

    When: the first time one of the plugin's entry-point names is asked for, or all generators
    are listed; once per process. Found through the entry-point group ``ellmental_embeddings``,
    one entry point per generator name.

    Return: one GeneratorSpec per generator. Import neither an SDK nor numpy here: the specs
    name their classes as strings, which are imported when the generator is chosen.
    """


@hookspec
def ellmental_commands(group: click.Group) -> None:
    """Add commands to ``ellmental``.

    When: each time the command line starts, before the arguments are read, so also for
    ``--help``. Found through the entry-point group ``ellmental_embeddings.commands``.

    Args:
        group: the click group; call ``group.add_command``. Import what a command needs inside
            the command's function, so that the start-up stays quick.
    """
