"""OPENAI's variables, and the parts of them that other OpenAI-compatible generators share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from ellmental_embeddings import BackendSettings

from .address import OPENAI_URL, is_openai, normalised_url
from .headers import HeaderLines
from .measure import ENCODING, tokenizer_file
from .models import OPENAI_MODELS, mistaken_name

__all__ = ["CompatibleSettings", "Key", "OpenAISettings", "Word", "missing"]


def missing() -> PydanticCustomError:
    """What a validator raises for a variable that is needed and not set.

    pydantic calls an absent field ``missing``; raised under the same name for one that is
    needed only sometimes, or blank, it is told to the user beside all other missing ones.
    """
    return PydanticCustomError("missing", "it is needed")


def _stripped(value: object) -> object:
    if isinstance(value, SecretStr):
        return SecretStr(value.get_secret_value().strip())
    return value.strip() if isinstance(value, str) else value


def _not_blank(word: str) -> str:
    if not word:
        raise missing()
    return word


def _sendable(key: SecretStr) -> SecretStr:
    """HTTP headers are ASCII: the SDK would end in a UnicodeEncodeError."""
    value = key.get_secret_value()
    if not value:
        raise missing()
    if not value.isascii() or not value.isprintable():
        raise ValueError(
            "it has characters that no key has (accents, quotes from a word processor, line "
            "breaks). Copy it again"
        )
    return key


def _sendable_word(word: str) -> str:
    if not word.isascii() or not word.isprintable():
        raise ValueError("it has characters that no header can hold (accents, line breaks)")
    return word


def _a_tokenizer(name: str | None) -> str | None:
    if not name or name.lower() in {"bytes", ENCODING}:
        return name.lower() if name else None
    if tokenizer_file(name) is None:
        raise ValueError(
            "there is no such file, or no tokenizer.json in that folder. Set it to the model's "
            f"tokenizer.json, to {ENCODING}, or to bytes"
        )
    return name


Key = Annotated[SecretStr, BeforeValidator(_stripped), AfterValidator(_sendable)]
"""A key: white space and line ends around it are dropped, what no header can hold is refused."""

Word = Annotated[str, BeforeValidator(_stripped), AfterValidator(_not_blank)]
"""A word that must not be blank: a model, a deployment."""

_Sent = Annotated[str, BeforeValidator(_stripped), AfterValidator(_sendable_word)]
"""A header's value, or blank: white space around it is dropped."""


class CompatibleSettings(BackendSettings):
    """What a server may have to be told apart from where it is; shared by all types of OPENAI."""

    openai_max_inputs: int | None = Field(
        default=None,
        ge=1,
        description="Most texts the server takes in one request; learnt from its refusals where "
        "not set.",
    )
    openai_max_request_tokens: int | None = Field(
        default=None, ge=1, description="Most tokens the server takes in one request."
    )
    openai_max_text_tokens: int | None = Field(
        default=None,
        ge=1,
        description="Most tokens the model takes in one text; longer texts are handled as "
        "EMBEDDING_OVERLONG says instead of being sent. For other models than OpenAI's, "
        "OPENAI_TOKENIZER says how they are counted.",
    )
    openai_tokenizer: Annotated[
        str | None, BeforeValidator(_stripped), AfterValidator(_a_tokenizer)
    ] = Field(
        default=None,
        description="How a text's tokens are counted: the model's tokenizer.json (or its folder), "
        "cl100k_base for OpenAI's models at another address, or bytes: no text has more tokens "
        "than those.",
    )
    openai_encoding_format: Literal["base64", "float"] = Field(
        default="base64",
        description="How vectors are asked for: base64 is five times shorter. A server that "
        "answers the other is understood all the same.",
    )
    openai_send_dimensions: bool = Field(
        default=True,
        description="False keeps EMBEDDING_DIMENSIONS from being sent, for servers that refuse "
        "it; the width is checked all the same.",
    )


class OpenAISettings(CompatibleSettings):
    """The settings of OPENAI with OPENAI_TYPE=openai, beside the core's."""

    # The order matters: what is needed of a later field depends on the earlier ones.
    openai_type: str = Field(
        default="openai", description="openai, or azure with ellmental-embeddings-azure installed."
    )
    openai_base_url: Annotated[str, BeforeValidator(_stripped)] = Field(
        default=OPENAI_URL,
        description="Where the server is, e.g. http://localhost:8000/v1; OpenAI's own by default.",
    )
    openai_api_key: Annotated[SecretStr | None, BeforeValidator(_stripped)] = Field(
        default=None,
        validate_default=True,
        description="Your API key, or set OPENAI_BASE_URL to a server that needs none.",
    )
    openai_model: Word = Field(
        description="The embedding model, e.g. text-embedding-3-small.",
    )
    openai_org_id: _Sent | None = Field(
        default=None, description="Organization that is billed, for keys with several."
    )
    openai_project_id: _Sent | None = Field(
        default=None, description="Project that is billed, for keys with several."
    )
    openai_custom_headers: HeaderLines | None = Field(
        default=None, description="Further headers, one line 'Name: value' each."
    )

    @field_validator("openai_base_url")
    @classmethod
    def _as_base_url(cls, url: str) -> str:
        return normalised_url(url) if url else OPENAI_URL

    @field_validator("openai_api_key")
    @classmethod
    def _needed_by_openai(cls, key: SecretStr | None, known: ValidationInfo) -> SecretStr | None:
        if key is not None and key.get_secret_value():
            return _sendable(key)
        if is_openai(known.data.get("openai_base_url", "")):
            raise missing()
        return None

    @field_validator("openai_model")
    @classmethod
    def _of_openai(cls, model: str, known: ValidationInfo) -> str:
        if is_openai(known.data.get("openai_base_url", "")):
            if mistake := mistaken_name(model, "OPENAI_MODEL"):
                raise ValueError(mistake.rstrip("."))
            _check_width(model, known.data)
        return model


def _check_width(model: str, known: dict[str, Any]) -> None:
    """Refuse an EMBEDDING_DIMENSIONS that OpenAI would refuse, before anything is sent."""
    asked, facts = known.get("embedding_dimensions"), OPENAI_MODELS.get(model)
    if asked is None or facts is None:
        return
    if asked > facts.dimensions:
        raise ValueError(
            f"EMBEDDING_DIMENSIONS={asked}, but {model} makes vectors of {facts.dimensions} "
            "dimensions at most. Lower it, or unset it"
        )
    if asked < facts.dimensions and not facts.shortens:
        raise ValueError(
            f"EMBEDDING_DIMENSIONS={asked}, but {model} cannot shorten its vectors of "
            f"{facts.dimensions} dimensions. Unset it, or use text-embedding-3-small"
        )
