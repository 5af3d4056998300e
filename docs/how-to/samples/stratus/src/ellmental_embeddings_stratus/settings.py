"""What users can set: each field is a variable of the same name in capitals."""

from __future__ import annotations

from ellmental_embeddings import BackendSettings
from pydantic import Field, SecretStr, field_validator

__all__ = ["StratusSettings"]


class StratusSettings(BackendSettings):
    """Stratus's settings beside the core's. What has no default is required."""

    stratus_token: SecretStr = Field(description="Access token of your Stratus project.")
    stratus_project: str = Field(
        pattern=r"^[a-z][a-z0-9-]*$",
        description="Your Stratus project, as it stands in its console's address.",
    )
    stratus_url: str = Field(
        default="https://stratus.example",
        description="Where Stratus is.",
    )

    @field_validator("stratus_token")
    @classmethod
    def _sendable(cls, key: SecretStr) -> SecretStr:
        # A header is ASCII on one line: said here, it is the user's to mend, and no fault of ours.
        value = key.get_secret_value().strip()
        if not value:
            raise ValueError("it is blank")
        if not value.isascii() or not value.isprintable():
            raise ValueError("it holds a character that no key has. Copy it again")
        return SecretStr(value)
