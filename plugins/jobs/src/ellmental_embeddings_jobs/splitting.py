"""Long texts into pieces that fit the model, at the best places. Pure, and linear in length.

A text that fits is left as it is. Another one is cut, always as late as fits, at the first of
these that offers a place: a Markdown heading (where that leaves the piece at least half full), the
end of a paragraph, of a sentence, of a line, of a word, between two characters. White space
between pieces belongs to none of them; all other characters belong to exactly one. With an overlap
a piece begins again within the one before it, where a word begins.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ellmental_embeddings import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Splitter"]

# A text with more characters a token than this is cut without counting: only white space and
# unknown words of one token get there, and counting a window must stay cheap.
_MOST_CHARACTERS = 32
_USUAL_CHARACTERS = 4.0

# Each pattern is linear: a run of its characters is entered once (lookbehind) and never
# re-read (possessive quantifiers).
_HEADING = re.compile(r"^(?=[ ]{0,3}#{1,6}(?:[ \t]|$))", re.MULTILINE)
_PARAGRAPH = re.compile(r"(?=\n[ \t\r]*+\n)")
_SENTENCE = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+(?=\s++[^\sa-z]|\s*+\Z)"  # noqa: RUF001 - a closing quote
    r"|(?<![。！？])[。！？]++[\"'”’»）」』]*+"  # noqa: RUF001 - the full-width ones are meant
)
_LINE = re.compile(r"(?=\n)")
_WORD = re.compile(r"\S(?=\s)")
_WORD_START = re.compile(r"(?<=\s)\S")
_INK = re.compile(r"\S")


@dataclass(slots=True)
class Splitter:
    """Cuts texts for one model.

    Attributes:
        limit: tokens that one piece may have; None leaves every text whole.
        most: cheap upper bound of a text's tokens.
        exact: a text's tokens, or None where nobody can count them (then the bound decides).
        overlap: tokens of a piece that the next one may begin with again; at most half of the
            limit, else a text would make far more pieces than it has tokens.
    """

    limit: int | None
    most: Callable[[str], int]
    exact: Callable[[str], int | None]
    overlap: int = 0
    _ratio: float = field(default=_USUAL_CHARACTERS, init=False)

    def split(self, text: str, *, markdown: bool = False) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of each piece, in characters of the text, in order.

        Raises:
            ConfigurationError: when not even one character fits.
        """
        if self.limit is None or self._fits_whole(text, self.limit):
            yield 0, len(text)
            return
        cut = _Cut(text=text, markdown=markdown, limit=self.limit, cost=self._cost)
        position = _next_ink(text, 0)
        start = position
        while position < len(text):
            end, self._ratio = cut.after(start, self._ratio, beyond=position)
            if end <= position:  # nothing new fits behind what is repeated
                start = position
                continue
            stop = _without_trailing_space(text, start, end)
            yield start, stop
            position = _next_ink(text, end)
            start = self._repeated_from(text, start, stop, position)

    def _repeated_from(self, text: str, start: int, stop: int, position: int) -> int:
        """Where the next piece begins: at most ``overlap`` tokens before the end of the last."""
        if not self.overlap or position == len(text):
            return position
        # A little too much first: every try that is too long is made shorter.
        width = min(stop - start - 1, max(1, int(self.overlap * self._ratio * 1.25) + 1))
        while width:
            word = _WORD_START.search(text, stop - width, stop)
            first = _next_character(text, stop - width, stop) if word is None else word.start()
            if word is None and not _stands_alone(text, first, stop):
                return position
            if self._cost(text[first:stop], self.overlap) <= self.overlap:
                return first
            width = (stop - first) * 3 // 4
        return position

    def _fits_whole(self, text: str, limit: int) -> bool:
        if len(text) > limit * _MOST_CHARACTERS:
            return False
        return self._cost(text) <= limit

    def _cost(self, text: str, most: int | None = None) -> int:
        """Tokens of the text: exact where the bound does not decide about ``most``, else the bound.

        Args:
            text: what is counted.
            most: how many tokens would fit; the limit, where it is None.
        """
        bound = self.most(text)
        most = self.limit if most is None else most
        if most is None or bound <= most:
            return bound
        exact = self.exact(text)
        return bound if exact is None else exact


@dataclass(slots=True)
class _Cut:
    """Finds where the pieces of one text end."""

    text: str
    markdown: bool
    limit: int
    cost: Callable[[str], int]

    def after(self, start: int, ratio: float, *, beyond: int) -> tuple[int, float]:
        """Where the piece that begins at ``start`` ends, and its characters a token.

        An end that is not ``beyond`` the place where new text begins means that none fits.
        """
        stop, cost = self._window(start, ratio)
        if cost <= self.limit:
            return stop, (stop - start) / max(cost, 1)
        ratio = (stop - start) / cost
        end = self._best(start, stop, ratio, beyond)
        return end, max(ratio, (end - start) / self.limit)

    def _window(self, start: int, ratio: float) -> tuple[int, int]:
        """A stop beyond which the piece cannot end, and the cost up to there."""
        most = self.limit * _MOST_CHARACTERS
        width = min(most, max(16, int(self.limit * ratio * 1.5)))
        while True:
            stop = min(len(self.text), start + width)
            cost = self.cost(self.text[start:stop])
            if cost > self.limit or stop == len(self.text):
                return stop, cost
            if width == most:
                return stop, self.limit + 1  # dense enough: cut here, whatever would still fit
            width = min(most, width * 2)

    def _best(self, start: int, stop: int, ratio: float, beyond: int) -> int:
        paragraph = self._last(start, self._paragraphs(start, stop), ratio, beyond)
        if self.markdown:
            heading = self._last(start, _places(_HEADING, self.text, start, stop), ratio, beyond)
            if heading and (paragraph is None or (heading - start) * 2 >= paragraph - start):
                return heading
        if paragraph:
            return paragraph
        for pattern in (_SENTENCE, _LINE, _WORD):
            end = self._last(start, _places(pattern, self.text, start, stop), ratio, beyond)
            if end:
                return end
        end = self._last(start, range(start + 1, stop + 1), ratio, beyond)
        if end is None and beyond > start:
            return start
        if end is None:
            raise ConfigurationError(
                f"not one character fits into {self.limit} tokens: is the document instruction "
                "(EMBEDDING_DOCUMENT_INSTRUCTION) longer than the model takes?"
            )
        return _between_characters(self.text, start, end)

    def _paragraphs(self, start: int, stop: int) -> list[int]:
        ends = _places(_PARAGRAPH, self.text, start, stop)
        if self.markdown:
            # A piece that ends with a heading parts it from what it heads.
            ends = [end for end in ends if not self._is_heading_before(start, end)]
        return ends

    def _is_heading_before(self, start: int, end: int) -> bool:
        end = _without_trailing_space(self.text, start, end)
        line = self.text.rfind("\n", start, end) + 1 or start
        return _HEADING.match(self.text, line, end) is not None

    def _last(self, start: int, ends: Sequence[int], ratio: float, beyond: int) -> int | None:
        """The last of the ends up to which the text fits, or None; and None if not beyond.

        Looks first where the characters a token point to, then halves: a few counts a piece.
        """
        low, high = -1, len(ends)
        guess = True
        while high - low > 1:
            index = (low + high) // 2
            if guess:
                index = bisect_right(ends, start + int(self.limit * ratio)) - 1
                index = min(max(index, low + 1), high - 1)
            guess = not guess
            cost = self.cost(self.text[start : ends[index]])
            if cost <= self.limit:
                low = index
            else:
                high = index
                ratio = (ends[index] - start) / cost
        return ends[low] if low >= 0 and ends[low] > beyond else None


def _places(pattern: re.Pattern[str], text: str, start: int, stop: int) -> list[int]:
    return [end for match in pattern.finditer(text, start, stop) if (end := match.end()) > start]


def _next_ink(text: str, position: int) -> int:
    found = _INK.search(text, position)
    return len(text) if found is None else found.start()


def _without_trailing_space(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1].isspace():
        end -= 1
    return end


def _between_characters(text: str, start: int, end: int) -> int:
    """Step back so that no combining mark, joiner or variation loses its base."""
    cut = end
    while cut > start and cut < len(text) and (_joins(text[cut]) or text[cut - 1] == "\u200d"):
        cut -= 1
    return cut if cut > start else end


def _next_character(text: str, place: int, stop: int) -> int:
    """Step on, past marks and joiners that belong to what stands before."""
    while place < stop and (_joins(text[place]) or text[place - 1] == "\u200d"):
        place += 1
    return place


def _stands_alone(text: str, place: int, stop: int) -> bool:
    """Whether a text may begin there that has no spaces, as Chinese, Japanese or Thai."""
    return place < stop and unicodedata.category(text[place]) == "Lo"


def _joins(character: str) -> bool:
    return bool(unicodedata.combining(character)) or character in "\u200d\ufe0e\ufe0f"
