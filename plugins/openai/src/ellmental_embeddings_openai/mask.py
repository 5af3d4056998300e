"""No part of a key in a message: services repeat pieces of it (``sk-ab***``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MASK", "masked"]

MASK = "********"

_WORDS = re.compile(r"[^\s'\"`,;()<>{}\[\]=:/&?]{3,}")

_LIKE_A_KEY = re.compile(r"\*{2,}|…|^sk-|^eyJ[\w-]{8,}")
"""Stars or dots in place of letters, OpenAI's keys, tokens."""

_SHARED = 4
"""Letters at the start or end of a key that are enough to count as a part of it: OpenAI's
message shows some eight at the start and four at the end."""


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text with every word masked that is, looks like, or shows part of a secret."""
    known = [secret for secret in secrets if len(secret) >= _SHARED and not _is_plain(secret)]
    for secret in known:
        text = text.replace(secret, MASK)
    return _WORDS.sub(lambda found: _masked_word(found.group(), known), text)


def _is_plain(secret: str) -> bool:
    """A placeholder such as ``ollama``, or a header's ``true``: a word, not a secret."""
    return secret.isalpha() and len(secret) < 2 * _SHARED


def _masked_word(word: str, secrets: list[str]) -> str:
    bare = word.rstrip(".:!?")
    if bare == MASK:
        return word
    if _LIKE_A_KEY.search(bare) or any(_is_part(bare, secret) for secret in secrets):
        return MASK + word[len(bare) :]
    return word


def _is_part(word: str, secret: str) -> bool:
    if len(word) < _SHARED or len(secret) < 2 * _SHARED:
        return False
    # A long part may be glued to other characters.
    long = 2 * _SHARED
    if any(word[at : at + long] in secret for at in range(len(word) - long + 1)):
        return True
    # A short word may begin like a key by chance; one that is all of it, or goes on with what
    # is no letter, does not.
    return word in secret or (
        any(sign in word for sign in ".*-_")
        and (word[:_SHARED] == secret[:_SHARED] or word[-_SHARED:] == secret[-_SHARED:])
    )
