"""Arguments of a call that can only be mistakes, refused before anything is begun."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable

from .errors import ConfigurationError

__all__ = ["as_list", "check_arguments", "refuse_single"]


def refuse_single(texts: object) -> None:
    """Refuse one string in place of several, and what is no iterable.

    Raises:
        TypeError: saying what to give.
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError("texts is one string: give a list of texts, e.g. [text]")
    if not isinstance(texts, (Iterable, AsyncIterable)):
        raise TypeError(f"texts is {type(texts).__name__}: give a list of texts")


def as_list(texts: Iterable[str]) -> list[str]:
    """The texts as a list of our own: the caller may go on with theirs meanwhile.

    Raises:
        TypeError: as ``refuse_single``.
    """
    refuse_single(texts)
    return list(texts)


def check_arguments(
    role: object, instruction: object, on_error: object, setting: str | None
) -> None:
    """Refuse values that no call can have.

    Args:
        role: the call's role.
        instruction: the call's own instruction, or None.
        on_error: what the call wants done about failed texts.
        setting: the instruction that holds where the call gives none.

    Raises:
        ValueError, TypeError: naming the argument and what it can be.
        ConfigurationError: the instruction cannot be sent.
    """
    if role not in ("document", "query"):
        raise ValueError(f"role={role!r}: use 'document' or 'query'")
    if on_error not in ("raise", "keep"):
        raise ValueError(f"on_error={on_error!r}: use 'raise' or 'keep'")
    if not isinstance(instruction, (str, type(None))):
        raise TypeError(f"instruction is {type(instruction).__name__}, not a string")
    told = setting if instruction is None else instruction
    try:
        (told or "").encode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"the instruction {told!a} has a lone surrogate, which cannot be sent as UTF-8. "
            f"Mend EMBEDDING_{str(role).upper()}_INSTRUCTION, or the argument."
        ) from None
