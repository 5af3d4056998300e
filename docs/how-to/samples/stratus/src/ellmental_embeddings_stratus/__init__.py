"""Stratus's embeddings: the generator STRATUS."""

from __future__ import annotations

from ellmental_embeddings import GeneratorSpec, hookimpl

__all__ = ["ellmental_generators"]


@hookimpl
def ellmental_generators() -> list[GeneratorSpec]:
    """Declares STRATUS; nothing heavy is imported for it."""
    return [
        GeneratorSpec(
            name="STRATUS",
            summary="Stratus's hosted embeddings",
            settings="ellmental_embeddings_stratus.settings:StratusSettings",
            backend="ellmental_embeddings_stratus.backend:StratusBackend",
        )
    ]
