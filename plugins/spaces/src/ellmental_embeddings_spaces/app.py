"""The app behind the URL: where it is, what it may be told, and what its silence means."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ellmental_embeddings import (
    ConfigurationError,
    EmbeddingError,
    RateLimited,
    Unavailable,
)

from .address import origin_of, parse_address
from .failures import Keys, refusal
from .hub import Hub
from .transport import proxy_refuses, speaks_https
from .wire import Wire

if TYPE_CHECKING:
    from pydantic import SecretStr

    from .settings import SpacesSettings
    from .wire import Answer, Site

__all__ = ["App"]

_WANTS_TLS = b"plain http request was sent to https port"
_PREPARING = b"preparing space"
_MISSING = b"find the page you are looking for"


class App:
    """Reaches one app, through the Hub's gateway where it is a Space.

    Args:
        settings: the URL, the keys and the time limits.
    """

    def __init__(self, settings: SpacesSettings) -> None:
        self.address = parse_address(settings.embeddings_generation_url)
        self.with_key = settings.embeddings_generation_key is not None
        self.keys = Keys(
            of_hub=self.with_key,
            of_app=settings.spaces_app_key is not None,
            is_space=self.address.is_space,
        )
        self.wire = Wire(settings.embedding_timeout)
        self._headers = _headers(settings.embeddings_generation_key, settings.spaces_app_key)
        self._site: Site | None = None
        key = _headers(settings.embeddings_generation_key, None)
        self.hub = Hub(
            self.wire.site(settings.hf_endpoint, key),
            with_key=self.with_key,
        )

    @property
    def shown(self) -> str:
        """How messages call it."""
        return f"the Space {self.address.space}" if self.address.space else self.address.shown

    @property
    def identity(self) -> str:
        """Host and path: one name for one app, however its address was written."""
        parts = urlsplit(self._site.root if self._site else self.address.root or "")
        return f"{parts.netloc}{parts.path}"

    async def site(self) -> Site:
        """Where it is served; the Hub is asked once.

        Raises:
            AuthenticationFailed, ConfigurationError, RateLimited, Unavailable: as the Hub says.
        """
        if self._site is None:
            root = self.address.root
            if root is None:
                root = await self.hub.root_of(self.address.space or "")
            self._site = self.wire.site(root, self._headers)
        return self._site

    async def obstacle(self, answer: Answer) -> EmbeddingError | None:
        """Why an answer is not the app's; None where the app itself seems to have given it."""
        if answer.status == 407:  # noqa: PLR2004 - Proxy Authentication Required
            return ConfigurationError(proxy_refuses(self.shown))
        if self.address.is_space and not answer.is_json:
            return await self._gateway(answer)
        if answer.status == 400 and _WANTS_TLS in answer.body[:2_000].lower():  # noqa: PLR2004
            return ConfigurationError(speaks_https(origin_of(self.address.root or "")))
        if answer.status == 429 or answer.status >= 500:  # noqa: PLR2004 - HTTP's own numbers
            return self.refused(answer)
        return None

    async def refusal(self, answer: Answer) -> EmbeddingError:
        """The error for an answer to a call that is not what was asked for."""
        obstacle = await self.obstacle(answer)
        if obstacle is None and answer.status < 400:  # noqa: PLR2004 - HTTP's own number
            # It was another kind of server a moment ago: it is being replaced, or restarted.
            return Unavailable(f"{self.shown} answered {answer.told()} in place of a result")
        return obstacle or self.refused(answer)

    def refused(self, answer: Answer) -> EmbeddingError:
        """The error for an answer by its status alone."""
        return refusal(answer, self.shown, self.keys)

    def locked(self, answer: Answer, said: str) -> EmbeddingError:
        """The error for an app that lets nobody in, with all that it answered."""
        return refusal(answer, self.shown, self.keys, said)

    async def aclose(self) -> None:
        """Close all connections."""
        await self.wire.aclose()

    async def _gateway(self, answer: Answer) -> EmbeddingError | None:
        try:
            reason = await self.hub.why(self.address)
        except (Unavailable, RateLimited):
            return self._guessed(answer)
        except EmbeddingError as error:
            return error
        if reason is not None:
            return reason
        if answer.status == 200 and _PREPARING in answer.body[:20_000].lower():  # noqa: PLR2004
            return self.hub.waited_for(f"{self.shown} is starting")
        if answer.status == 429 or answer.status >= 500:  # noqa: PLR2004 - HTTP's own numbers
            return self.refused(answer)
        return None

    def _guessed(self, answer: Answer) -> EmbeddingError | None:
        """What the gateway's answer means, while the Hub cannot be asked.

        Its pages are known by their words: all others are the app's own.
        """
        page = answer.body[:20_000].lower()
        match answer.status:
            case 404 if _MISSING in page:
                return ConfigurationError(
                    f"{self.shown} is not found: it does not exist, was renamed, or is private "
                    "and EMBEDDINGS_GENERATION_KEY is not set or may not read it."
                )
            case 200 if _PREPARING in page:
                return self.hub.waited_for(f"{self.shown} is waking up or starting")
        return self.refused(answer) if answer.status == 429 or answer.status >= 500 else None  # noqa: PLR2004


def _headers(key: SecretStr | None, app_key: SecretStr | None) -> dict[str, str]:
    """With a key of the app's own, the Hub's goes in the header that only its gateway reads."""
    headers = {}
    if app_key is not None:
        headers["authorization"] = f"Bearer {app_key.get_secret_value()}"
    if key is not None:
        name = "authorization" if app_key is None else "x-hf-authorization"
        headers[name] = f"Bearer {key.get_secret_value()}"
    return headers
