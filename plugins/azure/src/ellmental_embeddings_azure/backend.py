"""OPENAI's backend with OPENAI_TYPE=azure: a deployment of Azure OpenAI."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ellmental_embeddings import ConfigurationError
from ellmental_embeddings_openai import CompatibleBackend, Endpoint, Names, parsed_headers

from .refusals import AZURE_RULES, DIRECTORY_RULES
from .target import base_url, scope_of, taken_apart
from .tokens import TokenSource, default_credential

if TYPE_CHECKING:
    from .settings import AzureSettings

__all__ = ["AzureBackend"]


class AzureBackend(CompatibleBackend):
    """Embeds with a deployment of Azure OpenAI, by key or by Entra ID.

    What the deployment serves, its width and its limits come from its answers, never from its
    name, which is whatever its owner liked.

    Args:
        settings: AZURE_OPENAI_*, OPENAI_*, and the core's.
    """

    names_model: ClassVar[bool] = False

    def __init__(self, settings: AzureSettings) -> None:
        target = taken_apart(settings.azure_openai_endpoint)
        version, deployment = settings.azure_openai_version, settings.openai_model
        if version is None or deployment is None:  # what its validators let nobody do
            raise ConfigurationError("AZURE_OPENAI_VERSION and OPENAI_MODEL are needed.")
        key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
        by_directory = settings.azure_openai_use_active_directory
        dimensions = settings.embedding_dimensions if settings.openai_send_dimensions else None
        super().__init__(
            settings,
            Endpoint(
                service="Azure OpenAI",
                url=base_url(target.endpoint, deployment, version),
                model=deployment,
                key=key,
                headers=parsed_headers(settings.azure_openai_custom_headers),
                query={} if version == "v1" else {"api-version": version},
                dimensions=dimensions,
                encoding=settings.openai_encoding_format,
                names=Names(
                    url="AZURE_OPENAI_ENDPOINT",
                    version=f"AZURE_OPENAI_VERSION={version}",
                    length="OPENAI_MAX_TEXT_TOKENS and OPENAI_TOKENIZER",
                ),
            ),
        )
        # Azure limits a deployment, whoever asks: tokens that change must not change the budget. A
        # gateway in front of it may limit those who subscribe to it, and knows them by a header.
        gateway = sorted(self.endpoint.headers.items())
        self.rate_key = repr(("azure", target.endpoint.casefold(), deployment, gateway))
        self.rules = DIRECTORY_RULES if by_directory else AZURE_RULES
        self._by_directory = by_directory
        self._tokens: TokenSource | None = None
        if by_directory and key is None:
            scope = settings.azure_openai_scope or scope_of(target.endpoint)
            self._tokens = TokenSource(scope, partial(default_credential, target.endpoint))

    async def authorization(self) -> dict[str, str]:
        """The key as ``api-key``, or a token as ``Authorization``; nothing where there is none."""
        if self._tokens is not None:
            return {"Authorization": f"Bearer {await self._tokens.token()}"}
        key = self.endpoint.key
        if key is None:
            return {}
        return {"Authorization": f"Bearer {key}"} if self._by_directory else {"api-key": key}

    async def renewed(self, refused: dict[str, str]) -> bool:
        """Fetch another token where azure-identity's was refused; a key stays what it is."""
        if self._tokens is None:
            return False
        return self._tokens.refuse(refused["Authorization"].removeprefix("Bearer "))

    async def aclose(self) -> None:
        """Close the connections, azure-identity's included."""
        if self._tokens is not None:
            self._tokens.close()
        await super().aclose()
