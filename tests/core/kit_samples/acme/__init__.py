"""A generator over a made-up HTTP service; the kit's tests plant faults in it."""

from __future__ import annotations

from ellmental_embeddings import GeneratorSpec, hookimpl


@hookimpl
def ellmental_generators() -> list[GeneratorSpec]:
    """Offer ACME."""
    return [
        GeneratorSpec(
            name="ACME",
            summary="A made-up service",
            settings=f"{__name__}.settings:AcmeSettings",
            backend=f"{__name__}.backend:AcmeBackend",
        )
    ]
