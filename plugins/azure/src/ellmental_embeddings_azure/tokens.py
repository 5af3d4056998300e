"""Entra ID tokens: fetched beside the event loop, cached, refreshed before they expire."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from ellmental_embeddings import AuthenticationFailed, ConfigurationError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AccessToken", "Credential", "TokenSource", "default_credential"]

_MARGIN_S = 300.0
"""A token is renewed so many seconds before it expires; a short-lived one later."""

_SHORT_LIVED = 0.2
"""Part of a short token's life that is left when it is renewed."""


_UNREACHED = {"ServiceRequestError", "ServiceResponseError"}
"""What azure-core raises where nothing answers."""

_TOO_MANY, _SERVER_ERRORS = 429, 500

_CAUSES = 8
"""How many causes of an exception are looked at."""


class AccessToken(Protocol):
    """What azure-identity returns: the token, and the epoch second it expires at."""

    @property
    def token(self) -> str:
        """What is sent."""

    @property
    def expires_on(self) -> int:
        """When it ends, in seconds since 1970."""


class Credential(Protocol):
    """The part of azure-identity's credentials that is used."""

    def get_token(self, *scopes: str) -> AccessToken:
        """A token for these scopes, asked for anew where the last one has ended."""

    def close(self) -> None:
        """Give back connections."""


class TokenSource:
    """Hands out a token that is good for a while; of many that ask at once, one fetches it.

    It is renewed ahead of its end beside what goes on: until then it is handed out, however long
    its renewal takes and whatever becomes of it.

    Args:
        scope: what the token is for.
        make_credential: builds the credential, in a thread; called again after ``refuse``, since
            credentials keep tokens of their own that would come back.
    """

    def __init__(self, scope: str, make_credential: Callable[[], Credential]) -> None:
        self.scope = scope
        self._make = make_credential
        self._credential: Credential | None = None
        self._token: str | None = None
        self._renew_at = self._expires_on = 0.0
        self._had_one = False
        self._fetching: asyncio.Task[str] | None = None

    async def token(self) -> str:
        """A token.

        Raises:
            AuthenticationFailed: when no credential gives one.
            Unavailable: when the place it comes from cannot be reached, or had given one before
                and fails for now.
            ConfigurationError: when azure-identity cannot work with its variables.
        """
        now = time.time()
        if self._token is not None and now < self._renew_at:
            return self._token
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())
            # Whoever waits may be cancelled meanwhile: then nobody asks for the error.
            self._fetching.add_done_callback(lambda task: task.cancelled() or task.exception())
        if self._token is not None and now < self._expires_on:
            return self._token
        return await asyncio.shield(self._fetching)

    def refuse(self, token: str) -> bool:
        """The service refused a token: the next one is fetched anew. True where that may help."""
        if token == self._token:
            self._token = None
            self._let_go()
        return True

    def close(self) -> None:
        """Let go of the credential's connections."""
        self._let_go()

    async def _fetch(self) -> str:
        access = await _beside(self._get)
        if not access.token:
            raise AuthenticationFailed("azure-identity gave an empty token.")
        if asyncio.current_task() is self._fetching:  # a token was refused since: perhaps this one
            lifetime = access.expires_on - time.time()
            self._renew_at = access.expires_on - min(_MARGIN_S, lifetime * _SHORT_LIVED)
            self._expires_on = access.expires_on
            self._token, self._had_one = access.token, True
        return access.token

    def _get(self) -> AccessToken:
        try:
            credential = self._credential = self._credential or self._make()
            try:
                return credential.get_token(self.scope)
            finally:
                if self._credential is not credential:  # let go of meanwhile
                    _close(credential)
        except Exception as error:  # noqa: BLE001 - azure-identity lets any kind pass
            raise _translated(error, self.scope, had_one=self._had_one) from None

    def _let_go(self) -> None:
        """Forget the credential. One that is being asked is closed by whoever asks it."""
        credential, self._credential = self._credential, None
        is_asked = self._fetching is not None and not self._fetching.done()
        self._fetching = None
        if credential is not None and not is_asked:
            _close(credential)


def _close(credential: Credential) -> None:
    with suppress(Exception):
        credential.close()


def default_credential(endpoint: str) -> Credential:
    """azure-identity's DefaultAzureCredential, in the cloud that the endpoint is in.

    Raises:
        ConfigurationError: when azure-identity is not installed.
    """
    try:
        from azure.identity import AzureAuthorityHosts, DefaultAzureCredential
    except ImportError as error:
        raise ConfigurationError(
            f"azure-identity cannot be imported ({error}). Install it with: "
            "pip install azure-identity"
        ) from None
    # It logs a whole page when no credential works, which the error says again: kept off the
    # console of whoever has set up no logging.
    logger = logging.getLogger("azure.identity")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    authority: dict[str, Any] = {}
    if "AZURE_AUTHORITY_HOST" not in os.environ:
        for suffix, host in (
            (".azure.us", AzureAuthorityHosts.AZURE_GOVERNMENT),
            (".azure.cn", AzureAuthorityHosts.AZURE_CHINA),
        ):
            if (urlsplit(endpoint).hostname or "").endswith(suffix):
                authority["authority"] = host
    return DefaultAzureCredential(**authority)


def _translated(error: Exception, scope: str, *, had_one: bool) -> Exception:
    """azure-identity's and azure-core's exceptions, by name: they are imported with it only."""
    names = _names(error)
    if isinstance(error, ConfigurationError):
        return error
    said = " ".join(str(error).split())[:600] or type(error).__name__
    if names & _UNREACHED:
        return Unavailable(f"the service that issues Entra ID tokens cannot be reached: {said}")
    if had_one and _passes(error):
        return Unavailable(f"no Entra ID token for {scope} for now: {said}")
    if "AzureError" in names:
        return AuthenticationFailed(
            f"no Entra ID token for {scope}: {said} Sign in (az login), give this machine a "
            "managed identity, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET in "
            "the environment; or set OPENAI_API_KEY."
        )
    return ConfigurationError(f"azure-identity: {said}. Check the AZURE_* variables.")


def _passes(error: BaseException) -> bool:
    """Whether a failure may be over soon, by it or by what caused it."""
    cause: BaseException | None = error
    for _ in range(_CAUSES):
        if cause is None:
            break
        names, status = _names(cause), getattr(cause, "status_code", None)
        if names & _UNREACHED:
            return True
        if "HttpResponseError" in names and isinstance(status, int):
            return status == _TOO_MANY or status >= _SERVER_ERRORS
        cause = cause.__cause__ or cause.__context__
    return False


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


async def _beside(function: Callable[[], AccessToken]) -> AccessToken:
    """Run a function in a daemon thread: one that hangs must not keep a program from its end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[AccessToken] = loop.create_future()

    def settle(result: AccessToken | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            assert result is not None
            future.set_result(result)

    def work() -> None:
        result, failed = None, None
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - handed over to whoever awaits
            failed = error
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=work, name="ellmental-entra-id", daemon=True).start()
    return await future
