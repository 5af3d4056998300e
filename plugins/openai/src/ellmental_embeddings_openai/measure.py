"""How long a text is in tokens: with the service's own tokenizer, or not at all.

OPENAI_MAX_TEXT_TOKENS and EMBEDDING_OVERLONG can only be kept where tokens can be counted. Nothing
is estimated: four characters a token is wrong by half for Chinese, code and base64. What counts
is OpenAI's own encoding, the tokenizer of the model as its authors publish it, or UTF-8 bytes, of
which no text has fewer than tokens.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ellmental_embeddings import ConfigurationError

from . import tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from ellmental_embeddings import Limits

    from .settings import CompatibleSettings

__all__ = ["CL100K", "ENCODING", "Measure", "measure_for", "measure_named", "tokenizer_file"]

ENCODING = "cl100k_base"
"""Of all of OpenAI's embedding models, and so of Azure's deployments of them."""

_FILE = "tokenizer.json"


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


@cache
def _growth(letter: str) -> int:
    """By how many bytes normalising lengthens a character: U+FDFA alone becomes 18 letters."""
    return max(0, _bytes_of(unicodedata.normalize("NFKD", letter)) - _bytes_of(letter))


@dataclass(frozen=True, slots=True)
class Measure:
    """A way to count a text's tokens.

    Attributes:
        count: tokens of a text, special tokens included; None where they cannot be counted.
        most: an upper bound of them, much cheaper.
    """

    count: Callable[[str], int | None]
    most: Callable[[str], int] = _bytes_of


def _cl100k_count(text: str) -> int | None:
    count = tokens.counter()
    return None if count is None else count(text)


CL100K = Measure(_cl100k_count)
"""tiktoken's cl100k_base, where it and its vocabulary are on this machine."""

BYTES = Measure(_bytes_of)
"""UTF-8 bytes: of no text does it count fewer than there are tokens."""


def tokenizer_file(name: str) -> Path | None:
    """The file that OPENAI_TOKENIZER means, where it means one."""
    path = Path(name).expanduser()
    path = path / _FILE if path.is_dir() else path
    return path if path.is_file() else None


def measure_for(
    settings: CompatibleSettings, known: Measure | None, limits: Limits
) -> Measure | None:
    """How tokens are counted: as OPENAI_TOKENIZER says, else as is known of the service.

    Args:
        settings: the user's.
        known: what is known of the service, or None.
        limits: those of the service itself, which it keeps by refusing.

    Raises:
        ConfigurationError: when OPENAI_MAX_TEXT_TOKENS is set, and nobody could keep it.
    """
    if settings.openai_tokenizer:
        return measure_named(settings.openai_tokenizer)
    asked, served = settings.openai_max_text_tokens, limits.tokens_per_text
    if asked is None or (served is not None and asked >= served):
        return known  # the service itself refuses what is longer
    if known is None or known.count("a") is None:
        why = "tokens cannot be counted here" if known is None else tokens.missing()
        raise ConfigurationError(
            f"OPENAI_MAX_TEXT_TOKENS={asked} cannot be kept: {why}. Set OPENAI_TOKENIZER to the "
            f"model's tokenizer.json, to {ENCODING} if the model is one of OpenAI's, or to bytes "
            "(no text has more tokens than those); or unset OPENAI_MAX_TEXT_TOKENS and leave long "
            "texts to the service."
        )
    return known


def measure_named(name: str) -> Measure:
    """What OPENAI_TOKENIZER asks for.

    Raises:
        ConfigurationError: when it cannot count; says what to install or to get.
    """
    if name == "bytes":
        return BYTES
    if name == ENCODING:
        if CL100K.count("a") is None:
            raise ConfigurationError(f"OPENAI_TOKENIZER={name}: {tokens.missing()}.")
        return CL100K
    return _of_file(name)


def _of_file(name: str) -> Measure:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ConfigurationError(
            f"OPENAI_TOKENIZER={name}: the tokenizers package cannot be imported ({error}). "
            "Install it with: pip install 'ellmental-embeddings-openai[tokenizers]'"
        ) from None
    path = tokenizer_file(name)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - it raises bare Exceptions
        raise ConfigurationError(
            f"OPENAI_TOKENIZER={name}: {path} cannot be read as a tokenizer: {error}. Get the "
            "model's tokenizer.json again"
        ) from None
    # Published files cut and pad to the model's length: what is asked here is how long a text is.
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(text: str) -> int:
        return len(tokenizer.encode(text))

    beside = count("") + 1  # the special tokens, and a mark that some put before the first word

    def most(text: str) -> int:
        size = _bytes_of(text) + beside
        if text.isascii() or unicodedata.is_normalized("NFKD", text):
            return size
        return size + sum(_growth(letter) * n for letter, n in Counter(text).items())

    return Measure(count, most)
