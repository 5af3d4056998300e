"""From what a user writes to where the server is. Pure: nothing is asked of anyone here."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["SPACES_DOMAIN", "Address", "is_loopback", "origin_of", "parse_address", "same_origin"]

SPACES_DOMAIN = ".hf.space"
_HUB_HOSTS = {"huggingface.co", "www.huggingface.co", "hf.co"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HOST = re.compile(r"[^\s\x00-\x20!\"#$%&'()*+,/;<=>?@\\^`{|}~]+")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is, as far as the setting says.

    Attributes:
        root: the app's URL without a slash at its end; None while the Hub has to be asked.
        space: ``owner/name`` of the Space, where that was given.
        subdomain: the first part of ``NAME.hf.space``, where that was given.
    """

    root: str | None = None
    space: str | None = None
    subdomain: str | None = None

    @property
    def is_space(self) -> bool:
        """Whether the Hub's gateway stands before it."""
        return self.space is not None or self.subdomain is not None

    @property
    def shown(self) -> str:
        """For messages."""
        return self.space or self.root or ""


def parse_address(given: str) -> Address:
    """Understand a URL, a Space's page, or ``owner/name``.

    Raises:
        ValueError: saying what is wrong and what to write; never repeats what was given, which
            may hold a password.
    """
    if "://" not in given:
        given = _with_scheme(given)
    if "://" not in given:
        return _space(given.removeprefix("spaces/"))
    parts = urlsplit(given)
    host = (parts.hostname or "").lower()
    if parts.scheme.lower() not in _PORTS or not host or not _HOST.fullmatch(host):
        raise ValueError("it is no http:// or https:// URL with a host")
    _port(given)
    if host in _HUB_HOSTS:
        return _from_page(parts.path)
    if host.endswith(SPACES_DOMAIN):
        if parts.scheme.lower() == "http":
            raise ValueError(f"Spaces are served over https alone. Write https://{host}")
        root = f"https://{host}{parts.path.rstrip('/')}"
        return Address(root=root, subdomain=host.removesuffix(SPACES_DOMAIN))
    return Address(root=f"{origin_of(given)}{parts.path.rstrip('/')}")


def origin_of(url: str) -> str:
    """``scheme://host:port`` of a URL, in small letters, without the port that goes unsaid."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = _port(url)
    return f"{scheme}://{host}" + ("" if port in {None, _PORTS.get(scheme)} else f":{port}")


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs are of one scheme, host and port."""
    return origin_of(one) == origin_of(other)


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine or to a private network, as far as its text says."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))


def _with_scheme(given: str) -> str:
    """What people leave out: ``owner-name.hf.space``, ``huggingface.co/spaces/...``."""
    host = given.partition("/")[0].lower()
    if host in _HUB_HOSTS or host.endswith(SPACES_DOMAIN):
        return f"https://{given}"
    if ":" in host or host == "localhost" or host.count(".") == 3:  # noqa: PLR2004 - IPv4
        raise ValueError("the scheme is missing: write http:// or https:// before it")
    return given


def _from_page(path: str) -> Address:
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "spaces":  # noqa: PLR2004 - spaces, owner, name
        return _space(f"{parts[1]}/{parts[2]}")
    raise ValueError(
        "that is a page of the Hub, but not of a Space. Write owner/name of the Space, or "
        "https://huggingface.co/spaces/owner/name"
    )


def _space(given: str) -> Address:
    owner, slash, name = given.strip("/").partition("/")
    if not slash or not _NAME.fullmatch(owner) or not _NAME.fullmatch(name):
        raise ValueError(
            "it is neither a URL nor owner/name. Write https://owner-name.hf.space, or "
            "owner/name as on the Space's page"
        )
    return Address(space=f"{owner}/{name}")


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        raise ValueError("the port is no number from 0 to 65535") from None
