"""What the transport raises, as the engine's errors."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from ellmental_embeddings import BadReply, ConfigurationError, Unavailable

from .address import origin_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["proxy_refuses", "redirects_nowhere", "speaks_https", "translated"]

_NO_HTTP = "illegal request line"
"""What h11 says of an answer that begins with no letter, as TLS's does."""


@contextmanager
def translated(root: str) -> Iterator[None]:
    """What httpx raises, as the engine's errors. Names the host alone: a URL may hold secrets."""
    host = origin_of(root)
    try:
        yield
    except httpx.DecodingError:
        raise BadReply(f"the answer of {host} cannot be uncompressed") from None
    except httpx.ProxyError as error:
        if str(error).startswith("407"):  # Proxy Authentication Required, in answer to CONNECT
            raise ConfigurationError(proxy_refuses(host)) from None
        raise Unavailable(f"the proxy (HTTPS_PROXY) fails for {host}: {error}") from None
    except httpx.TimeoutException:
        raise Unavailable(f"{host} did not answer in time (EMBEDDING_TIMEOUT)") from None
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
        raise ConfigurationError(f"EMBEDDINGS_GENERATION_URL cannot be used: {error}") from None
    except httpx.RemoteProtocolError as error:
        if host.startswith("http://") and _NO_HTTP in str(error):
            raise ConfigurationError(speaks_https(host)) from None
        if "location" in str(error).lower():
            raise ConfigurationError(redirects_nowhere(host)) from None
        raise _about_connection(error, host) from None
    except (httpx.TransportError, OSError) as error:  # older httpcores let ssl's own through
        raise _about_connection(error, host) from None


def proxy_refuses(host: str) -> str:
    """The message for a proxy that lets nobody through unnamed."""
    return (
        f"the proxy before {host} wants a user and a password that it accepts. Set HTTPS_PROXY "
        "(for http:// HTTP_PROXY) to http://user:password@host:port, or put the server in NO_PROXY."
    )


def redirects_nowhere(host: str) -> str:
    """The message for a Location that is no address."""
    return (
        f"{host} redirects to what is no address. Check EMBEDDINGS_GENERATION_URL, or tell whoever "
        "runs the server."
    )


def speaks_https(host: str) -> str:
    """The message for a server that was asked in plain http."""
    return (
        f"{host} speaks https: write {host.replace('http://', 'https://')} in "
        "EMBEDDINGS_GENERATION_URL."
    )


def _about_connection(error: httpx.TransportError | OSError, host: str) -> Exception:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ConfigurationError(
            f"the certificate of {host} is not trusted: {cause.verify_message}. Set SSL_CERT_FILE "
            "to your organisation's certificates, or check EMBEDDINGS_GENERATION_URL."
        )
    if cause is not None and "WRONG_VERSION_NUMBER" in str(cause):
        plain = host.replace("https://", "http://")
        return ConfigurationError(
            f"{host} does not speak https. If it is your own server, set "
            f"EMBEDDINGS_GENERATION_URL to {plain}."
        )
    what = "cannot connect to" if isinstance(error, httpx.ConnectError) else "the connection broke:"
    return Unavailable(f"{what} {host}: {str(error) or type(error).__name__}")
