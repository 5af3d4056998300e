"""The variables of OPENAI with OPENAI_TYPE=azure."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from ellmental_embeddings_openai import CompatibleSettings, HeaderLines, Key, Word, missing

from .target import as_version, taken_apart

__all__ = ["AzureSettings"]


def _blank_is_none(value: object) -> object:
    """A blank variable counts as one that is not set."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return None if isinstance(text, str) and not text.strip() else value


def _folded(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


class AzureSettings(CompatibleSettings):
    """The settings of Azure OpenAI, beside the core's."""

    # The order matters: what is needed of a later field depends on the earlier ones.
    openai_type: str = Field(default="azure", description="azure for Azure OpenAI.")
    azure_openai_endpoint: Word = Field(
        description="The resource's endpoint, e.g. https://NAME.openai.azure.com; a pasted target "
        "URI is understood."
    )
    azure_openai_use_active_directory: Annotated[bool, BeforeValidator(_folded)] = Field(
        default=False,
        description="True for Entra ID instead of a key: with the token in OPENAI_API_KEY if "
        "that is set, else with one from azure-identity.",
    )
    azure_openai_custom_headers: Annotated[HeaderLines | None, BeforeValidator(_blank_is_none)] = (
        Field(
            default=None,
            description="Further headers, one line 'Name: value' each, as an API gateway wants "
            "them: Ocp-Apim-Subscription-Key.",
        )
    )
    openai_api_key: Annotated[Key | None, BeforeValidator(_blank_is_none)] = Field(
        default=None,
        validate_default=True,
        description="A key of the resource; with AZURE_OPENAI_USE_ACTIVE_DIRECTORY an Entra ID "
        "token, or nothing; with a gateway's key in AZURE_OPENAI_CUSTOM_HEADERS perhaps nothing.",
    )
    openai_model: Annotated[Word | None, BeforeValidator(_blank_is_none)] = Field(
        default=None, validate_default=True, description="The deployment's name."
    )
    azure_openai_version: Annotated[Word | None, BeforeValidator(_blank_is_none)] = Field(
        default=None,
        validate_default=True,
        description="The API version: v1, or a date such as 2024-10-21.",
    )
    azure_openai_scope: Annotated[str | None, BeforeValidator(_blank_is_none)] = Field(
        default=None,
        description="What Entra ID tokens are asked for; by default what fits the endpoint.",
    )

    @field_validator("azure_openai_endpoint")
    @classmethod
    def _as_target(cls, pasted: str) -> str:
        taken_apart(pasted)
        return pasted

    @field_validator("openai_api_key")
    @classmethod
    def _needed_without_directory(
        cls, key: SecretStr | None, known: ValidationInfo
    ) -> SecretStr | None:
        by_directory = known.data.get("azure_openai_use_active_directory") is not False
        if key is None and not by_directory and not known.data.get("azure_openai_custom_headers"):
            raise missing()
        return key

    @field_validator("openai_model")
    @classmethod
    def _deployment(cls, model: str | None, known: ValidationInfo) -> str:
        pasted = known.data.get("azure_openai_endpoint")
        found = taken_apart(pasted).deployment if pasted else None
        if model and found and model != found:
            raise ValueError(f"AZURE_OPENAI_ENDPOINT is of the deployment {found}. Unset one")
        chosen = model or found
        if chosen is None:
            raise missing()
        if chosen in {".", ".."}:
            raise ValueError("no deployment has that name")
        return chosen

    @field_validator("azure_openai_version")
    @classmethod
    def _version(cls, version: str | None, known: ValidationInfo) -> str:
        pasted = known.data.get("azure_openai_endpoint")
        found = taken_apart(pasted).version if pasted else None
        if version and found and as_version(version) != as_version(found):
            raise ValueError(f"AZURE_OPENAI_ENDPOINT is of the version {found}. Unset one")
        chosen = version or found
        if chosen is None:
            raise missing()
        return as_version(chosen)
