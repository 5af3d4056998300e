"""The request that the SDK makes, but for its body, without the SDK.

To import the SDK takes longer than all that comes before a first vector
(docs/explanation/openai-transport.md). A test compares every header with the SDK's own request.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from multidict import CIMultiDict
from yarl import URL

from .headers import merged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .endpoint import Endpoint

__all__ = ["Pattern", "fixed", "pattern_of"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Where a request goes, and its headers; ``Host`` and ``Content-Length`` come with it."""

    url: URL
    headers: CIMultiDict[str]


def pattern_of(endpoint: Endpoint, headers: Mapping[str, str], timeout: float) -> Pattern:
    """What a request to ``{url}/embeddings`` has in common with all others.

    Args:
        endpoint: the service; of it, the address and what stands after ``?``.
        headers: those that authorise, and the user's. They win over the SDK's.
        timeout: seconds for one request, which the SDK tells the service.

    Raises:
        UnicodeEncodeError: when a header is not ASCII.
        ValueError: when the address can be none.
    """
    sent = merged(fixed() | {"X-Stainless-Read-Timeout": str(timeout)}, headers)
    for value in sent.values():
        value.encode("ascii")
    url = str(URL(f"{endpoint.url.removesuffix('/')}/embeddings"))
    if endpoint.query:
        url += f"?{urlencode(endpoint.query)}"
    return Pattern(URL(url, encoded=True), CIMultiDict(sent))


@cache
def fixed() -> dict[str, str]:
    """What is the same in every request of a process."""
    sdk = version("openai")
    return {
        "Connection": "keep-alive",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"AsyncOpenAI/Python {sdk}",
        "X-Stainless-Lang": "python",
        "X-Stainless-Package-Version": sdk,
        "X-Stainless-OS": _system(),
        "X-Stainless-Arch": _architecture(),
        "X-Stainless-Runtime": platform.python_implementation(),
        "X-Stainless-Runtime-Version": platform.python_version(),
        "X-Stainless-Async": "async:asyncio",
        "X-Stainless-Retry-Count": "0",
        # Vectors hardly shrink, and inflating them costs more than decoding them.
        "Accept-Encoding": "identity",
    }


def _system() -> str:
    name = platform.system()
    if name in {"Linux", "Windows", "FreeBSD", "OpenBSD"}:
        return name
    return "MacOS" if name == "Darwin" else f"Other:{platform.platform().lower()}"


def _architecture() -> str:
    machine = platform.machine().lower()
    known = {"arm64": "arm64", "aarch64": "arm64", "arm": "arm", "x86_64": "x64"}
    if machine in known:
        return known[machine]
    if sys.maxsize <= 2**32:
        return "x32"
    return f"other:{machine}" if machine else "unknown"
