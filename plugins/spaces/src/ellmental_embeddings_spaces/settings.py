"""The variables of SPACES_TEXT and SPACES_INSTRUCT."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
)
from pydantic_core import PydanticCustomError

from ellmental_embeddings import BackendSettings

from .address import parse_address

__all__ = ["Kind", "SpacesSettings"]

_MOST_IN_FLIGHT = 16
"""Whatever is asked for: apps have one machine each."""

Kind = Literal["auto", "gradio", "tei", "fastapi"]


def _stripped(value: object) -> object:
    if isinstance(value, SecretStr):
        return SecretStr(value.get_secret_value().strip()) if value.get_secret_value() else None
    return value.strip() if isinstance(value, str) else value


def _blank_is_none(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return None if isinstance(text, str) and not text.strip() else _stripped(value)


def _folded(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _sendable(key: SecretStr | None) -> SecretStr | None:
    """HTTP headers are ASCII without line breaks: anything else is a slip of the clipboard."""
    value = "" if key is None else key.get_secret_value()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("it has characters that no key has (spaces, accents, line breaks)")
    return key


_Key = Annotated[SecretStr | None, BeforeValidator(_blank_is_none), AfterValidator(_sendable)]


class SpacesSettings(BackendSettings):
    """The settings of SPACES_TEXT and SPACES_INSTRUCT, beside the core's."""

    embeddings_generation_url: Annotated[str, BeforeValidator(_stripped)] = Field(
        validation_alias=AliasChoices("EMBEDDINGS_GENERATION_URL", "SPACES_URL"),
        description="The Space: https://owner-name.hf.space, owner/name, or any server's URL. "
        "Older setups call it SPACES_URL.",
    )
    embeddings_generation_key: _Key = Field(
        default=None,
        validation_alias=AliasChoices("EMBEDDINGS_GENERATION_KEY", "SPACES_KEY"),
        description="The access key (hf_...); public Spaces need none. Older setups call it "
        "SPACES_KEY.",
    )
    spaces_endpoint: Annotated[str, BeforeValidator(_stripped)] = Field(
        default="/predict",
        description="The endpoint's name in the app (Gradio's api_name), or its path.",
    )
    spaces_server: Annotated[Kind, BeforeValidator(_folded)] = Field(
        default="auto",
        description="What kind of server it is: auto finds out; gradio, tei "
        "(text-embeddings-inference) or fastapi (takes {'inputs': [...]}).",
    )
    spaces_app_key: _Key = Field(
        default=None,
        description="A key of the app's own (for instance TEI's --api-key), sent as "
        "Authorization. EMBEDDINGS_GENERATION_KEY then goes in the header X-HF-Authorization, "
        "which the Hub's gateway reads. A server that is no Space needs one of the two at most.",
    )
    hf_endpoint: Annotated[str, BeforeValidator(_stripped)] = Field(
        default="https://huggingface.co",
        description="The Hugging Face Hub, or a mirror of it: it is asked about a Space, and told "
        "EMBEDDINGS_GENERATION_KEY.",
    )

    def in_flight(self, usual: int) -> int:
        """Requests in flight that are of use: what the user says, else what is usual."""
        given = "embedding_max_concurrency" in self.model_fields_set
        return min(self.embedding_max_concurrency, _MOST_IN_FLIGHT) if given else usual

    @field_validator("embeddings_generation_url")
    @classmethod
    def _understood(cls, url: str) -> str:
        if not url:
            # Under pydantic's own name a blank one is told beside all others that are missing.
            raise PydanticCustomError("missing", "it is needed")
        parse_address(url)
        # Unused; ?__sign=... of a private Space's own address is a key that every repr would show.
        return re.split("[?#]", url, maxsplit=1)[0]

    @field_validator("spaces_endpoint")
    @classmethod
    def _with_slash(cls, name: str) -> str:
        if not name.strip("/"):
            raise ValueError("it is blank. Leave it out for /predict")
        return "/" + name.strip("/")

    @field_validator("hf_endpoint")
    @classmethod
    def _hub(cls, url: str) -> str:
        if not url.startswith(("https://", "http://")):
            raise ValueError("it does not begin with https://")
        return url.rstrip("/")
