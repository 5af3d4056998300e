"""The OPENAI generator of eLLMental embeddings with OPENAI_TYPE=azure: Azure OpenAI."""

from __future__ import annotations

from ellmental_embeddings import GeneratorSpec, hookimpl

__all__ = ["ellmental_generators"]


@hookimpl
def ellmental_generators() -> list[GeneratorSpec]:
    """Offer OPENAI's type azure. Names alone: what is behind them is imported when it is loaded."""
    return [
        GeneratorSpec(
            name="OPENAI",
            summary="A deployment of Azure OpenAI, by key or by Entra ID",
            settings="ellmental_embeddings_azure.settings:AzureSettings",
            backend="ellmental_embeddings_azure.backend:AzureBackend",
            variant=("OPENAI_TYPE", "azure"),
        )
    ]
