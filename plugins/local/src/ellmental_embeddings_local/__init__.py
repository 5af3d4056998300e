"""The LOCAL generator of eLLMental embeddings: a model that runs inside your own process."""

from __future__ import annotations

from ellmental_embeddings import GeneratorSpec, hookimpl

__all__ = ["ellmental_generators"]


@hookimpl
def ellmental_generators() -> list[GeneratorSpec]:
    """Offer LOCAL. Names alone: numpy and the weights are loaded when it is used."""
    return [
        GeneratorSpec(
            name="LOCAL",
            summary="all-MiniLM-L6-v2 inside your own process: no service, no key, no download",
            settings="ellmental_embeddings_local.settings:LocalSettings",
            backend="ellmental_embeddings_local.backend:LocalBackend",
        )
    ]
