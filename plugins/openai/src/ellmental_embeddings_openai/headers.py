"""Further headers, as a variable holds them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, SecretStr

__all__ = ["HeaderLines", "parsed_headers"]


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
