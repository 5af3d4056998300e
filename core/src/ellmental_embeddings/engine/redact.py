"""No key in an error: whatever a service or an SDK repeats of it is masked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["redact"]

_MASK = "********"

_DEEPEST = 20
"""Causes of causes that are looked at: chains are short, and may have loops."""


def redact(error: BaseException, secrets: Sequence[str]) -> None:
    """Mask secrets in the message of an error, in place; drop a cause that still shows one."""
    if not secrets:
        return
    error.args = tuple(_masked(part, secrets) for part in error.args)
    for name in ("__cause__", "__context__"):
        cause = getattr(error, name)
        for _ in range(_DEEPEST):
            if cause is None:
                break
            if _shows(cause, secrets):
                setattr(error, name, None)
                break
            cause = cause.__cause__ or cause.__context__
    for note in getattr(error, "__notes__", ()):
        if any(secret in note for secret in secrets):
            del error.__notes__
            break


def _masked(part: object, secrets: Sequence[str]) -> object:
    if not isinstance(part, str):
        return part
    for secret in secrets:
        part = part.replace(secret, _MASK)
    return part


def _shows(error: BaseException, secrets: Sequence[str]) -> bool:
    shown = f"{error} {error!r}"
    return any(secret in shown for secret in secrets)
