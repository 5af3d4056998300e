"""Topics of your own texts: the generator TOPICS, and the command that fits its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ellmental_embeddings import GeneratorSpec, hookimpl

if TYPE_CHECKING:
    import click

__all__ = ["ellmental_commands", "ellmental_generators"]


@hookimpl
def ellmental_generators() -> list[GeneratorSpec]:
    """Declares TOPICS; nothing heavy is imported for it."""
    return [
        GeneratorSpec(
            name="TOPICS",
            summary="Topics of your own texts: TF-IDF and SVD, made on this machine",
            settings="ellmental_embeddings_topics.settings:TopicsSettings",
            backend="ellmental_embeddings_topics.backend:TopicsBackend",
        )
    ]


@hookimpl
def ellmental_commands(group: click.Group) -> None:
    """Adds ``ellmental fit-topics``."""
    from .command import command

    group.add_command(command)
