"""BERT's tokenizer: text -> word pieces, as the models were trained to see them.

The same steps in the same order as the Rust ``tokenizers`` package (BertNormalizer,
BertPreTokenizer, WordPiece), and the same result, with two intended differences: a lone
surrogate is dropped like any other control character instead of raising, and ``[SEP]`` written
in a text is text, never the model's own marker.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from .unicode8 import ACCENTS, CHINESE, DROPPED, PUNCTUATION, SPACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["WordPiece"]

# The most pieces that one character can become: a Hangul syllable falls into three letters.
_MOST_PIECES_PER_CHARACTER = 3

_LONGEST_WORD = 100  # characters; the reference gives longer words up as unknown
_REMEMBERED_WORDS = 32_768  # some 6 MB; most texts use far fewer different words
_REMEMBERED_CHARACTERS = 16_384
_ASCII_DROPPED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")
_ASCII_WORD = re.compile(r"[0-9A-Za-z]+|[!-/:-@\[-`{-~]")


class _Cleaned(dict[int, str]):
    """What ``str.translate`` puts for each character first, worked out when it is met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code in DROPPED:
            character = ""
        elif code in SPACES:
            character = " "
        elif code in CHINESE:
            character = f" {character} "
        if len(self) < _REMEMBERED_CHARACTERS:
            self[code] = character
        return character


class _Folded(dict[int, str]):
    """What ``str.translate`` puts for each character after decomposition.

    Args:
        lowercase: whether letters become small ones.
        strip_accents: whether non-spacing marks are dropped.
    """

    def __init__(self, *, lowercase: bool, strip_accents: bool) -> None:
        super().__init__()
        self._lowercase = lowercase
        self._strip_accents = strip_accents

    def __missing__(self, code: int) -> str:
        if self._strip_accents and code in ACCENTS:
            folded = ""
        else:
            # One character at a time: within a whole text Python makes a final sigma of some.
            letters = chr(code).lower() if self._lowercase else chr(code)
            folded = "".join(
                f" {letter} " if ord(letter) in PUNCTUATION else letter for letter in letters
            )
        if len(self) < _REMEMBERED_CHARACTERS:
            self[code] = folded
        return folded


class WordPiece:
    """Turns texts into the ids of word pieces. Safe to use from several threads.

    Args:
        vocabulary: id of each piece; pieces inside a word begin with ``##``.
        lowercase: whether the model is an uncased one.
        strip_accents: whether accents are dropped; None means as ``lowercase`` says.

    Attributes:
        size: one more than the largest id; that of a blank line does not count.

    Raises:
        KeyError: when the vocabulary has no ``[CLS]``, ``[SEP]`` or ``[UNK]``.
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        *,
        lowercase: bool = True,
        strip_accents: bool | None = None,
    ) -> None:
        self._first_id, self._last_id = vocabulary["[CLS]"], vocabulary["[SEP]"]
        self._unknown = (vocabulary["[UNK]"],)
        self._starts = {p: i for p, i in vocabulary.items() if not p.startswith("##")}
        self._rests = {p[2:]: i for p, i in vocabulary.items() if p.startswith("##")}
        self._longest = max(map(len, vocabulary))
        self.size = 1 + max(i for p, i in vocabulary.items() if p)
        self._lowercase = lowercase
        self._strip_accents = lowercase if strip_accents is None else strip_accents
        self._cleaned = _Cleaned()
        self._folded = _Folded(lowercase=lowercase, strip_accents=self._strip_accents)
        self._known: dict[str, tuple[int, ...]] = {}

    @classmethod
    def from_lines(cls, lines: Iterable[str], *, lowercase: bool = True) -> WordPiece:
        """Read the vocabulary of a ``vocab.txt``: one piece a line, its id the line's number."""
        return cls({line.rstrip("\r\n"): i for i, line in enumerate(lines)}, lowercase=lowercase)

    def ids(self, text: str) -> list[int]:
        """Ids of a text's pieces, ``[CLS]`` before and ``[SEP]`` after them."""
        ids = [self._first_id]
        for word in self._words(text):
            ids += self._pieces(word)
        ids.append(self._last_id)
        return ids

    def count(self, text: str) -> int:
        """Number of a text's pieces, ``[CLS]`` and ``[SEP]`` included."""
        return 2 + sum(len(self._pieces(word)) for word in self._words(text))

    def most(self, text: str) -> int:
        """Upper bound of ``count``, without looking at the text."""
        return 2 + len(text) * (1 if text.isascii() else _MOST_PIECES_PER_CHARACTER)

    def _words(self, text: str) -> Iterator[str]:
        """Words and punctuation marks, normalised."""
        if text.isascii():  # most texts, and ten times as fast
            text = _ASCII_DROPPED.sub("", text)
            if self._lowercase:
                text = text.lower()
            return (match[0] for match in _ASCII_WORD.finditer(text))
        text = text.translate(self._cleaned)
        if self._strip_accents:
            text = unicodedata.normalize("NFD", text)
        return iter(text.translate(self._folded).split())

    def _pieces(self, word: str) -> tuple[int, ...]:
        """Ids of one word's pieces, remembered."""
        pieces = self._known.get(word)
        if pieces is None:
            pieces = self._split(word) if len(word) <= _LONGEST_WORD else self._unknown
            if len(self._known) >= _REMEMBERED_WORDS:
                self._known.clear()
            if len(word) <= _LONGEST_WORD:
                self._known[word] = pieces
        return pieces

    def _split(self, word: str) -> tuple[int, ...]:
        """The longest known piece first, again and again; unknown where none fits."""
        pieces = []
        start, known = 0, self._starts
        while start < len(word):
            for end in range(min(len(word), start + self._longest), start, -1):
                piece = known.get(word[start:end])
                if piece is not None:
                    break
            else:
                return self._unknown
            pieces.append(piece)
            start, known = end, self._rests
        return tuple(pieces)
