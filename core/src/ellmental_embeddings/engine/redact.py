"""No key in an error: whatever a service or an SDK repeats of it is masked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Secrets", "redact"]

_MASK = "********"

_DEEPEST = 20
"""Causes of causes that are looked at: chains are short, and may have loops."""


_TELLING = 12
"""Characters of a key that give it away. A message that was cut short may end within a key."""


class Secrets:
    """Values that must not show, in a wrapper that does not show them either."""

    __slots__ = ("_values",)

    def __init__(self, values: Iterable[str] = ()) -> None:
        # Longest first: one key may be the beginning of another.
        self._values = tuple(sorted({value for value in values if value}, key=len, reverse=True))

    def __bool__(self) -> bool:
        return bool(self._values)

    def __repr__(self) -> str:
        return f"<{len(self._values)} secrets>"

    def masked(self, text: str) -> str:
        """The text with every secret in it masked, and what a cut message has left of one."""
        for value in self._values:
            shortest = len(_telling(value))
            if value[:shortest] in text:
                for end in range(len(value), shortest - 1, -1):
                    text = text.replace(value[:end], _MASK)
        return text

    def shown_by(self, text: str) -> bool:
        """Whether a text shows one."""
        return any(_telling(value) in text for value in self._values)


def _telling(value: str) -> str:
    """The part of a secret that must not show; all of it where it has words or is short."""
    return value[:_TELLING] if value.isascii() and not set(value) & set(" :\r\n\t") else value


def redact(error: BaseException, secrets: Secrets) -> None:
    """Mask secrets in the message of an error, in place; drop a cause that still shows one."""
    if not secrets:
        return
    error.args = tuple(_masked(part, secrets) for part in error.args)
    if hasattr(error, "__notes__"):
        error.__notes__ = [secrets.masked(str(note)) for note in error.__notes__]
    for name in ("__cause__", "__context__"):
        if any(_shows(cause, secrets) for cause in _chain(getattr(error, name))):
            setattr(error, name, None)


def _masked(part: object, secrets: Secrets) -> object:
    text = part if isinstance(part, str) else f"{part!s} {part!r}"
    if not secrets.shown_by(text):
        return part
    return secrets.masked(part if isinstance(part, str) else str(part))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(_DEEPEST):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _shows(error: BaseException, secrets: Secrets) -> bool:
    notes = " ".join(map(str, getattr(error, "__notes__", ())))
    return secrets.shown_by(f"{error} {error!r} {notes}")
