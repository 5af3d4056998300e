"""The Hugging Face Hub: where a Space is served, and why it does not answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ellmental_embeddings import (
    AuthenticationFailed,
    BatchTooLarge,
    ConfigurationError,
    EmbeddingError,
    RateLimited,
    Unavailable,
)

from .address import SPACES_DOMAIN, origin_of
from .failures import retry_after

if TYPE_CHECKING:
    from .address import Address
    from .wire import Answer, Site

__all__ = ["Hub"]

_PAGE = "https://huggingface.co/spaces"
_MOST_BYTES = 1 << 23
"""Far more than the Hub has to say about a Space."""

_WAITED_FOR = {
    "SLEEPING": "is asleep and is being woken",
    "STOPPED": "was stopped and is being woken",
    "BUILDING": "is being built",
    "APP_STARTING": "is starting",
}
_NEVER = {
    "PAUSED": "is paused: only its owner can restart it, at {page}/settings",
    "NO_APP_FILE": "has no app: its owner has to add an app.py",
    "CONFIG_ERROR": "has a wrong configuration: its owner has to mend it, see {page}",
    "BUILD_ERROR": "failed to build: its owner has to mend it, see {page}?logs=build",
    "RUNTIME_ERROR": "has crashed: its owner has to mend or restart it, see {page}?logs=container",
    "DELETING": "is being deleted",
}


@dataclass(frozen=True, slots=True)
class _State:
    space: str
    stage: str
    message: str


class Hub:
    """Asks the Hub about one Space."""

    def __init__(self, site: Site, *, with_key: bool) -> None:
        self._site = site
        self._with_key = with_key
        self._waiting_since: float | None = None

    async def root_of(self, space: str) -> str:
        """The URL that a Space is served at.

        Raises:
            AuthenticationFailed, ConfigurationError, RateLimited, Unavailable: it is not known.
        """
        content = await self._ask(f"/api/spaces/{space}/host", space)
        host = str(content.get("host") or "").rstrip("/")
        if not self._may_be_trusted(host):
            raise ConfigurationError(
                f"the Hub says that {space} is served at {host or 'no host'}, which is no Space's "
                "address: nothing was sent there. Set EMBEDDINGS_GENERATION_URL to "
                "https://owner-name.hf.space."
            )
        return host

    async def why(self, address: Address) -> EmbeddingError | None:
        """Why a Space does not answer; None where the Hub says that it runs."""
        state = await self._state(address)
        page = f"{_PAGE}/{state.space}"
        if reason := _NEVER.get(state.stage):
            told = f" It says: {state.message[:200]}" if state.message else ""
            return ConfigurationError(
                f"the Space {state.space} {reason.format(page=page)}.{told} "
                "(EMBEDDINGS_GENERATION_URL)"
            )
        if reason := _WAITED_FOR.get(state.stage):
            return self.waited_for(f"the Space {state.space} {reason}")
        return None

    def waited_for(self, what: str) -> Unavailable:
        """The error that makes the engine wait, and say so: a Space takes a minute, not an hour.

        It is looked at every second at first, every five seconds later on.
        """
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        wait = min(5.0, 1.0 + (now - self._waiting_since) / 5)
        return Unavailable(what, retry_after=round(wait, 1))

    def answered(self) -> None:
        """The Space answers: the wait, if there was one, is over."""
        self._waiting_since = None

    async def _state(self, address: Address) -> _State:
        if address.space is not None:
            shown = address.space
            runtime = await self._ask(f"/api/spaces/{shown}/runtime", shown)
        else:
            content = await self._ask(
                f"/api/spaces/by-subdomain/{address.subdomain}", address.shown
            )
            shown = str(content.get("id") or address.shown)
            runtime = content.get("runtime") or {}
        return _State(
            shown, str(runtime.get("stage") or ""), str(runtime.get("errorMessage") or "")
        )

    async def _ask(self, path: str, shown: str) -> dict[str, Any]:
        try:
            answer = await self._site.ask("GET", path, most=_MOST_BYTES)
        except (Unavailable, BatchTooLarge) as error:
            raise Unavailable(
                f"the Hub cannot be asked about {shown}: {error}. Without it, set "
                "EMBEDDINGS_GENERATION_URL to https://owner-name.hf.space"
            ) from None
        content = answer.content() if answer.is_json else None
        if answer.status == 200 and isinstance(content, dict):  # noqa: PLR2004 - HTTP's own
            return content
        raise self._refused(answer, shown)

    def _refused(self, answer: Answer, shown: str) -> EmbeddingError:
        match answer.status:
            case 401 | 403 if self._with_key and not answer.headers.get(
                "x-error-code", ""
            ).startswith("RepoNotFound"):
                return AuthenticationFailed(
                    f"the Hub does not accept EMBEDDINGS_GENERATION_KEY for {shown}. Check that "
                    "it is whole, not expired, and may read this Space (tokens: "
                    "https://huggingface.co/settings/tokens)."
                )
            case 401 | 403 if not self._with_key:
                return AuthenticationFailed(
                    f"the Space {shown} does not exist, or it is private. Check its name in "
                    "EMBEDDINGS_GENERATION_URL; if it is private, set EMBEDDINGS_GENERATION_KEY to "
                    "an access key that may read it."
                )
            case 401 | 403 | 404 | 410:
                return ConfigurationError(
                    f"the Space {shown} does not exist (any more), or EMBEDDINGS_GENERATION_KEY "
                    "may not see it. Check its name in EMBEDDINGS_GENERATION_URL."
                )
            case 429:
                return RateLimited(
                    "the Hub asks to slow down", retry_after=retry_after(answer.headers)
                )
        return Unavailable(f"the Hub answered {answer.told()}")

    def _may_be_trusted(self, host: str) -> bool:
        try:
            parts, hub = urlsplit(origin_of(host)), urlsplit(self._site.root)
        except ValueError:
            return False
        if parts.scheme == "https" and (parts.hostname or "").endswith(SPACES_DOMAIN):
            return True
        return bool(parts.hostname) and (parts.scheme, parts.hostname) == (hub.scheme, hub.hostname)
