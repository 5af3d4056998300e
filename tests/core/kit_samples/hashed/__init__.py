"""A generator that makes its vectors itself; the kit's tests plant faults in it."""

from __future__ import annotations

from ellmental_embeddings import GeneratorSpec, hookimpl


@hookimpl
def ellmental_generators() -> list[GeneratorSpec]:
    """Offer HASHED."""
    return [
        GeneratorSpec(
            name="HASHED",
            summary="Counts hashed words",
            settings=f"{__name__}.backend:HashedSettings",
            backend=f"{__name__}.backend:HashedBackend",
        )
    ]
