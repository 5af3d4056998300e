"""LOCAL's one variable."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import BeforeValidator, Field

from ellmental_embeddings import BackendSettings

__all__ = ["LocalSettings"]


def _as_text(value: object) -> object:
    """A path given in code, as text."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


class LocalSettings(BackendSettings):
    """The settings of LOCAL, beside the core's."""

    local_model: Annotated[str | None, BeforeValidator(_as_text)] = Field(
        default=None,
        description="A folder with another sentence-transformers BERT model, or the id of one on "
        "the Hugging Face hub (owner/name); by default the built-in all-MiniLM-L6-v2.",
    )
