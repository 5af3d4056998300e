"""Headers: as a variable holds them, and one over another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, SecretStr

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HeaderLines", "merged", "parsed_headers"]


def parsed_headers(lines: SecretStr | None) -> dict[str, str]:
    """Headers from lines ``Name: value``, as the SDK reads OPENAI_CUSTOM_HEADERS.

    Raises:
        ValueError: naming the line, by its number alone since it may hold a key.
    """
    headers = {}
    text = "" if lines is None else lines.get_secret_value()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, value = (part.strip() for part in line.partition(":"))
        is_sendable = line.isascii() and (name + value).isprintable()
        if not colon or not name or " " in name or not is_sendable:
            raise ValueError(f"line {number} is no header 'Name: value' in ASCII")
        headers[name] = value
    return headers


def _checked(lines: SecretStr) -> SecretStr:
    parsed_headers(lines)
    return lines


HeaderLines = Annotated[SecretStr, AfterValidator(_checked)]
"""A setting's further headers, a line ``Name: value`` each; secret, since one may hold a key."""


def merged(headers: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Headers, with others over them: one name, however it is spelt, stands there once."""
    spelt = {name.lower(): name for name in headers}
    return {**headers, **{spelt.get(name.lower(), name): value for name, value in over.items()}}
