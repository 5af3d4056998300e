"""Base URLs as people write and paste them, and what is made of them."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

__all__ = ["OPENAI_URL", "is_openai", "normalised_url", "refuse_impossible_host"]

OPENAI_URL = "https://api.openai.com/v1"

_ENDPOINTS = ("/embeddings", "/chat/completions", "/completions", "/models")


def is_openai(url: str) -> bool:
    """Whether a base URL is OpenAI's own (also of a region: ``eu.api.openai.com``)."""
    host = urlsplit(url).hostname or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def normalised_url(url: str) -> str:
    """A base URL without what does not belong to it.

    White space and trailing slashes go, and so does the name of an endpoint that was pasted
    along (``.../v1/embeddings``).

    Raises:
        ValueError: when it can be no base URL; says what is wrong and what was meant.
    """
    text = url.strip().strip("\"'")
    if "://" not in text:
        scheme = "http" if text.startswith(("localhost", "127.", "[::1]", "0.0.0.0")) else "https"  # noqa: S104 - recognised, not bound
        raise ValueError(f"it has no scheme. Perhaps you mean {scheme}://{text.lstrip('/')}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"it is no URL: {error}") from None
    if parts.scheme.lower() not in {"http", "https"}:
        raise ValueError(f"its scheme is {parts.scheme}; only http and https work")
    if not parts.hostname:
        raise ValueError("it names no host")
    refuse_impossible_host(text, parts.hostname)
    if port == 0:
        raise ValueError("port 0 is no port")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it holds a user name or password; set the key in its own variable")
    if parts.query or parts.fragment:
        raise ValueError("it ends in a query (?...) or fragment (#...); leave that out")
    path = parts.path.rstrip("/")
    for endpoint in _ENDPOINTS:
        path = path.removesuffix(endpoint).rstrip("/")
    return urlunsplit((parts.scheme.lower(), parts.netloc, path, "", ""))


def refuse_impossible_host(text: str, host: str) -> None:
    """Refuse an address with a host that none can have.

    Raises:
        ValueError: saying what is wrong with it.
    """
    if not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("it has a space, a backslash or a control character in it")
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError("its host is no name that a host can have") from None
