"""What users can set: each field is a variable of the same name in capitals."""

from __future__ import annotations

from pathlib import Path

from ellmental_embeddings import BackendSettings
from pydantic import Field

__all__ = ["TopicsSettings"]


class TopicsSettings(BackendSettings):
    """Topics's settings beside the core's."""

    topics_model: Path = Field(
        description="The model file that `ellmental fit-topics` has written.",
    )
