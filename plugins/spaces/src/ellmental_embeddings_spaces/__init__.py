"""SPACES_TEXT and SPACES_INSTRUCT: models hosted as Hugging Face Spaces, or as Gradio anywhere."""

from __future__ import annotations

from ellmental_embeddings import GeneratorSpec, hookimpl

__all__ = ["ellmental_generators"]

_PACKAGE = "ellmental_embeddings_spaces"


@hookimpl
def ellmental_generators() -> list[GeneratorSpec]:
    """Offer both generators. Names alone: httpx is imported when one of them is used."""
    return [
        GeneratorSpec(
            name="SPACES_TEXT",
            summary="a model hosted as a Hugging Face Space: Gradio 3 to 6, TEI, FastAPI",
            settings=f"{_PACKAGE}.settings:SpacesSettings",
            backend=f"{_PACKAGE}.backend:SpacesTextBackend",
        ),
        GeneratorSpec(
            name="SPACES_INSTRUCT",
            summary="a Hugging Face Space whose model is told an instruction beside each text",
            settings=f"{_PACKAGE}.settings:SpacesSettings",
            backend=f"{_PACKAGE}.backend:SpacesInstructBackend",
        ),
    ]
