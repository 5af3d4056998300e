"""Settings to try: the core's defaults, a plugin's settings, and what is asked of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from ellmental_embeddings import (
    BackendSettings,
    ConfigurationError,
    CoreSettings,
    Variable,
    Variables,
    list_variables,
)
from ellmental_embeddings.settings import build_settings

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "DEFAULTS",
    "KEY",
    "AcmeSettings",
    "acme",
    "clear_environment",
    "core",
    "error_of",
    "rows",
    "write_env_file",
]

KEY = "sk-never-to-be-shown-0123456789"

DEFAULTS = {
    "EMBEDDING_GENERATOR": "LOCAL",
    "BATCH_SIZE": 50,
    "EMBEDDING_MAX_CONCURRENCY": 64,
    "EMBEDDING_RPM": None,
    "EMBEDDING_TPM": None,
    "EMBEDDING_SHARED_LIMITS": None,
    "EMBEDDING_TIMEOUT": 60.0,
    "EMBEDDING_DEADLINE": 300.0,
    "EMBEDDING_HEDGE": 0.0,
    "EMBEDDING_DIMENSIONS": None,
    "EMBEDDING_OVERLONG": "error",
    "EMBEDDING_DOCUMENT_INSTRUCTION": None,
    "EMBEDDING_QUERY_INSTRUCTION": None,
    "EMBEDDING_CACHE": None,
    "EMBEDDING_CACHE_SIZE": 10_000_000_000,
    "EMBEDDING_PLUGINS_BLOCKED": None,
}
"""The table of the design, for what the core owns, and the cache."""


class AcmeSettings(BackendSettings):
    """What a plugin's settings look like: a required key, two spellings, a checked region."""

    acme_key: SecretStr = Field(description="Key of your Acme account.")
    acme_url: str = Field(
        default="https://acme.example",
        description="Where Acme is.",
        validation_alias=AliasChoices("A_URL", "B_URL"),
    )
    acme_region: str = Field(default="eu", description="Acme's region.")
    acme_token: SecretStr | None = Field(default=None, description="A second secret.")

    @field_validator("acme_key")
    @classmethod
    def _begins_well(cls, value: SecretStr) -> SecretStr:
        shown = value.get_secret_value()
        if not shown.startswith("sk-"):
            raise ValueError(f"keys of Acme begin with sk-, {shown!r} does not")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.acme_region == "moon":
            raise ValueError(f"no Acme on the moon for {self.acme_key.get_secret_value()}")
        return self


def clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable that these tests are about is set, in whatever case."""
    known = {*DEFAULTS, "ACME_KEY", "ACME_URL", "A_URL", "B_URL", "ACME_REGION", "ACME_TOKEN"}
    for name in list(os.environ):
        if name.upper() in known:
            monkeypatch.delenv(name)


def core(**arguments: Any) -> CoreSettings:
    """The core's settings with these arguments."""
    return build_settings(CoreSettings, Variables(arguments), needed_by="LOCAL")


def acme(**arguments: Any) -> AcmeSettings:
    """Acme's settings with these arguments."""
    return build_settings(AcmeSettings, Variables(arguments), needed_by="ACME")


def rows(settings: type[CoreSettings] = CoreSettings, **arguments: Any) -> dict[str, Variable]:
    """What ``ellmental config`` lists, by name."""
    return {row.name: row for row in list_variables(settings, Variables(arguments))}


def error_of(settings: type[CoreSettings] = CoreSettings, **arguments: Any) -> str:
    """The message of the error that these settings are."""
    with pytest.raises(ConfigurationError) as caught:
        build_settings(settings, Variables(arguments), needed_by="ACME")
    return str(caught.value)


def write_env_file(content: str, encoding: str = "utf-8") -> None:
    """Write .env in the test's own folder."""
    Path(".env").write_bytes(content.encode(encoding))
