"""Where an OpenAI-compatible service is, and what it is asked for: made from settings, once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Endpoint", "Names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the user's variables are called, for messages that name the one to look at.

    Attributes:
        key: the key's.
        model: the model's.
        url: the address's.
        version: the API version's, with its value.
        length: what to set so that EMBEDDING_OVERLONG can cut a text; empty where nothing helps.
    """

    key: str = "OPENAI_API_KEY"
    model: str = "OPENAI_MODEL"
    url: str = "OPENAI_BASE_URL"
    version: str = ""
    length: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An OpenAI-compatible service, as CompatibleBackend asks it.

    Attributes:
        service: its name, for messages.
        url: its base URL; requests go to ``{url}/embeddings``.
        model: ``model`` in the request.
        key: sent as ``Authorization: Bearer KEY``; None sends none.
        headers: further headers. They win over all others, as in the SDK.
        query: what stands after ``?`` in the URL.
        dimensions: width to ask for; None leaves it to the model.
        encoding: how vectors are asked for; whatever comes is read.
        names: the user's variables, for messages.
    """

    service: str
    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    dimensions: int | None = None
    encoding: Literal["base64", "float"] = "base64"
    names: Names = Names()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Whatever of this must never be shown."""
        return tuple(value for value in (self.key, *self.headers.values()) if value)
