"""Every exception of the SDK, and of what lies below it, to one of the core's errors.

The table is by class name, since most requests load neither the SDK nor httpx2. A test walks the
SDK's classes and fails when one is not named here. At run time an unknown one counts as its
nearest ancestor that is named.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

from ellmental_embeddings import (
    AuthenticationFailed,
    BadReply,
    ConfigurationError,
    EmbeddingError,
    Unavailable,
)

from .failures import RULES, ArgumentRefused, failure
from .mask import masked
from .said import heard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .failures import Asked, Rule

    Translator = Callable[[Any, Asked, tuple[Rule, ...]], EmbeddingError | ArgumentRefused]

__all__ = ["EXCEPTIONS", "translated"]


def translated(
    error: Exception, asked: Asked, rules: tuple[Rule, ...] = RULES
) -> EmbeddingError | ArgumentRefused:
    """The core's error for whatever a request ended in; says what to look at, shows no key."""
    if isinstance(error, EmbeddingError | ArgumentRefused):
        return error
    for kind in type(error).__mro__:
        if translate := EXCEPTIONS.get(kind.__name__):
            return translate(error, asked, rules)
    return _bad_reply(error, asked, rules)


def _status(error: Any, asked: Asked, rules: tuple[Rule, ...]) -> EmbeddingError | ArgumentRefused:
    response = error.response
    said = heard(response.status_code, response.headers, response.content)
    return failure(said, asked, rules)


def _transport(  # noqa: PLR0911 - one return a cause that can be told apart
    error: Exception, asked: Asked, _: tuple[Rule, ...]
) -> EmbeddingError:
    """What lies between here and the service failed.

    With aiohttp below it the SDK calls nearly all of it a time-out: the causes tell.
    """
    url = f"{asked.endpoint.names.url} ({asked.endpoint.url})"
    reason, causes = _reason(error, asked), list(_causes(error))
    for cause in causes:
        said, kind = str(cause), type(cause).__name__
        if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in said:
            return ConfigurationError(
                f"{url}: its certificate is not trusted: {reason}. Behind a proxy that reads TLS, "
                "set SSL_CERT_FILE to a file with its certificate."
            )
        if "WRONG_VERSION_NUMBER" in said or "RECORD_LAYER_FAILURE" in said:
            return ConfigurationError(f"{url}: the server speaks no TLS there. Is it http://?")
        if isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_HOST:
            if asked.answered:
                break
            return ConfigurationError(f"{url}: there is no such host: {reason}.")
        if kind in {"UnsupportedProtocol", "LocalProtocolError", "InvalidUrlClientError"}:
            return ConfigurationError(f"{url} or a header cannot be sent: {reason}.")
        if getattr(cause, "status", None) == _PROXY_REFUSES or (
            kind == "ProxyError" and said.startswith(str(_PROXY_REFUSES))
        ):
            return ConfigurationError(
                f"the proxy wants a user and a password that it accepts: {reason}. Set "
                "HTTPS_PROXY (http://user:password@host:port), or put the server in NO_PROXY."
            )
        if kind in _BROKEN:
            return Unavailable(f"{url}: {_BROKEN[kind]}.")
    if any(type(cause).__name__ in _TOO_SLOW for cause in causes):
        service = asked.endpoint.service
        return Unavailable(f"{service} did not answer in {asked.timeout:g} s (EMBEDDING_TIMEOUT).")
    return Unavailable(f"the connection to {url} failed: {reason}.")


_NO_SUCH_HOST = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}

_BROKEN = {
    "ServerDisconnectedError": "the connection was closed before the answer came",
    "ClientPayloadError": "the connection broke in the middle of an answer",
}

_PROXY_REFUSES = 407
"""Proxy Authentication Required, in answer to CONNECT: the service was never reached."""

_TOO_SLOW = {"SocketTimeoutError", "ReadTimeout", "WriteTimeout"}
"""A connection was there, and nothing came: aiohttp's and httpx2's names for it."""


def _invalid(error: Exception, asked: Asked, _: tuple[Rule, ...]) -> EmbeddingError:
    return ConfigurationError(
        f"the request to {asked.endpoint.service} could not be made: {_reason(error, asked)}. "
        f"Check {asked.endpoint.names.key} and {asked.endpoint.names.url}."
    )


def _unauthenticated(error: Exception, asked: Asked, _: tuple[Rule, ...]) -> EmbeddingError:
    return AuthenticationFailed(
        f"{asked.endpoint.service}: {_reason(error, asked)}. Check {asked.endpoint.names.key}."
    )


def _closed(error: Exception, asked: Asked, _: tuple[Rule, ...]) -> EmbeddingError:
    return Unavailable(f"the connection to {asked.endpoint.service}: {_reason(error, asked)}.")


def _bad_reply(error: Exception, asked: Asked, _: tuple[Rule, ...]) -> EmbeddingError:
    return BadReply(
        f"{asked.endpoint.service} gave no usable answer: {type(error).__name__}: "
        f"{_reason(error, asked)}."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, outermost first."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(error: BaseException, asked: Asked) -> str:
    """The innermost cause that says something; the SDK itself says "Connection error."."""
    causes = list(_causes(error))
    said = [str(cause) for cause in causes if str(cause).strip()]
    text = " ".join((said[-1] if said else type(causes[-1]).__name__).split())[:300]
    return masked(text, asked.endpoint.secrets).rstrip(".")


_OF_OTHER_PARTS = (
    "APIRemovedInV1",
    "AgentFilePreparationError",
    "AgentFileStagingError",
    "AgentOutputParseError",
    "AgentTurnResultError",
    "BrowserCancelledError",
    "BrowserError",
    "CLIError",
    "ComputerUseError",
    "ContentFilterFinishReasonError",
    "DecisionsToolRunnerCancelledError",
    "DecisionsToolRunnerError",
    "InvalidWebhookSignatureError",
    "LengthFinishReasonError",
    "MissingStreamClassError",
    "ResponsesWebSocketBufferError",
    "ResponsesWebSocketError",
    "SilentCLIError",
    "StreamAlreadyConsumed",
    "ToolRunnerCancelledError",
    "ToolRunnerError",
    "WebSocketConnectionClosedError",
    "WebSocketQueueFullError",
)
"""Chats, agents, web sockets: embedding raises none of these, and a bad reply harms least."""

EXCEPTIONS: dict[str, Translator] = {
    # The service answered with a status: the table in failures.py decides.
    "APIStatusError": _status,
    "BadRequestError": _status,
    "AuthenticationError": _status,
    "PermissionDeniedError": _status,
    "NotFoundError": _status,
    "ConflictError": _status,
    "UnprocessableEntityError": _status,
    "RateLimitError": _status,
    "InternalServerError": _status,
    "OAuthError": _status,
    # It did not answer.
    "APITimeoutError": _transport,
    "APIConnectionError": _transport,
    # What it answered makes no sense.
    "APIResponseValidationError": _bad_reply,
    "APIError": _bad_reply,
    # The client could not be made, or not be authorised.
    "OpenAIError": _invalid,
    "MutuallyExclusiveAuthError": _invalid,
    "SubjectTokenProviderError": _unauthenticated,
    "MissingDependencyError": _invalid,
    **dict.fromkeys(_OF_OTHER_PARTS, _bad_reply),
    # Not the SDK's own: what lies below it, and Python's.
    "TimeoutException": _transport,
    "HTTPError": _transport,
    "InvalidURL": _invalid,
    "StreamError": _bad_reply,
    "ClientError": _transport,
    "TimeoutError": _transport,
    "OSError": _transport,
    "UnicodeEncodeError": _invalid,
    "UnicodeError": _invalid,
    "ValueError": _bad_reply,
    "AttributeError": _bad_reply,
    "TypeError": _bad_reply,
    "RuntimeError": _closed,
}
