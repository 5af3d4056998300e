"""ACME's variables."""

from __future__ import annotations

from pydantic import Field, SecretStr

from ellmental_embeddings import BackendSettings


class AcmeSettings(BackendSettings):
    """Where it is, and the key."""

    acme_url: str = Field(description="Where the service is.")
    acme_key: SecretStr = Field(description="Your key.")
