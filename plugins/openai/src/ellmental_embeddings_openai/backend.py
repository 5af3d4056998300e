"""OPENAI's backend with OPENAI_TYPE=openai: OpenAI's own service, or one that imitates it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ellmental_embeddings import ConfigurationError, Limits, ModelInfo

from .address import is_openai
from .compatible import CompatibleBackend
from .endpoint import Endpoint, Names
from .headers import parsed_headers
from .measure import CL100K
from .models import MOST_INPUTS, OPENAI_MODELS

if TYPE_CHECKING:
    from .settings import OpenAISettings

__all__ = ["OpenAIBackend"]

_LIMITS = Limits(items=MOST_INPUTS, tokens=300_000, tokens_per_text=8_192)
"""OpenAI's, of all its embedding models."""

_LENGTH = "OPENAI_MAX_TEXT_TOKENS and OPENAI_TOKENIZER"
_LENGTH_OPENAI = "OPENAI_TOKENIZER"

_AZURE_HOSTS = tuple(
    f".{service}.azure.{domain}"
    for service in ("openai", "cognitiveservices", "services.ai")
    for domain in ("com", "us", "cn")
)


class OpenAIBackend(CompatibleBackend):
    """Embeds with OpenAI, or with the server at OPENAI_BASE_URL.

    Args:
        settings: OPENAI_*, and the core's.

    Raises:
        ConfigurationError: when OPENAI_BASE_URL is Azure's.
    """

    def __init__(self, settings: OpenAISettings) -> None:
        url, dimensions = settings.openai_base_url, settings.embedding_dimensions
        _refuse_azure(url)
        own = is_openai(url)
        known = OPENAI_MODELS.get(settings.openai_model) if own else None
        # ada-002 refuses the argument, even with its own width.
        sends = settings.openai_send_dimensions and (known is None or known.shortens)
        key = settings.openai_api_key
        self.limits = _LIMITS if own else Limits()
        super().__init__(
            settings,
            Endpoint(
                service="OpenAI" if own else (urlsplit(url).netloc or url),
                url=url,
                model=settings.openai_model,
                key=key.get_secret_value() if key else None,
                headers=_headers(settings),
                dimensions=dimensions if sends else None,
                encoding=settings.openai_encoding_format,
                names=Names(length=_LENGTH_OPENAI if own else _LENGTH),
            ),
            measure=CL100K if own else None,
        )
        if known is not None:
            width = dimensions or known.dimensions
            self.model = ModelInfo(name=settings.openai_model, dimensions=width, normalised=True)


def _headers(settings: OpenAISettings) -> dict[str, str]:
    named = {
        "OpenAI-Organization": settings.openai_org_id,
        "OpenAI-Project": settings.openai_project_id,
    }
    headers = {name: value.strip() for name, value in named.items() if value}
    return headers | parsed_headers(settings.openai_custom_headers)


def _refuse_azure(url: str) -> None:
    parts = urlsplit(url)
    if (parts.hostname or "").endswith(_AZURE_HOSTS) and "/openai/v1" not in parts.path:
        raise ConfigurationError(
            f"OPENAI_BASE_URL={url} is Azure's. Set OPENAI_TYPE=azure and AZURE_OPENAI_ENDPOINT "
            "instead (pip install ellmental-embeddings-azure), or end the URL in /openai/v1."
        )
