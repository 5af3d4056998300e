"""Odd texts: each costs itself alone, and none is changed or cut in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ...errors import ConfigurationError, TextRejected
from ..base import fail
from ..compare import ComparingBase
from ..samples import ODD, long_text
from ..vectors import text_in

if TYPE_CHECKING:
    from ...result import Embeddings

__all__ = ["TextChecks"]

_REFUSE = (
    "raise TextRejected(index=...) for a text that the model does not take, and let no exception "
    "of an encoder or of a library pass."
)


_LENGTHS = tuple(round(100_000 * 0.6**step) for step in range(11))
"""Characters of the texts that are tried until one is taken: the longest matters most."""


class TextChecks(ComparingBase):
    """Texts that people have and examples do not."""

    def with_neighbours(self, *odd: Any) -> Embeddings:
        """Embed odd texts between good ones; the good ones must have their vectors."""
        first, second = self.sample[:2]
        result = self.embed(self.shared(), [first, *odd, second], on_error="keep")
        for place, text in ((0, first), (-1, second)):
            if result.outcomes[place].error is not None:
                fail(
                    f"beside it, {text!r} failed: {result.outcomes[place].error}",
                    "say with index=... which text is refused, so that it fails alone.",
                )
        self.right(result.vectors[[0, -1]], [first, second], "beside an odd text")
        return result

    def refused(self, result: Embeddings, place: int, what: str) -> None:
        """Fail where a text that failed did not fail as a text."""
        error = result.outcomes[place].error
        if not isinstance(error, TextRejected):
            fail(f"{what} ends in {type(error).__name__}: {error}", _REFUSE)

    def test_no_texts(self) -> None:
        """``embed([])`` is an empty matrix of the right width, or says that no width is known."""
        generator = self.load()
        try:
            empty = self.embed(generator, [])
        except ConfigurationError as error:
            if "EMBEDDING_DIMENSIONS" not in str(error):
                raise
        else:
            if empty.vectors.shape != (0, generator.dimensions):
                fail(f"the shape is {empty.vectors.shape}", "declare the width that comes.")
        width = self.embed(generator, self.sample[:1]).dimensions
        empty = self.embed(generator, [])
        if empty.vectors.shape != (0, width):
            fail(f"the shape is {empty.vectors.shape}, not (0, {width})", "declare that width.")

    @pytest.mark.parametrize("text", ["", " ", "\n\t", "\u2003\u00a0"], ids=ascii)
    def test_blank_text_fails_alone(self, text: str) -> None:
        """A blank text has no meaning: it is refused, and its neighbours are embedded."""
        self.refused(self.with_neighbours(text), 1, f"the blank text {text!r}")

    @pytest.mark.parametrize("oddity", ODD)
    def test_odd_text_is_embedded(self, oddity: str) -> None:
        """Whatever UTF-8 can hold gets a vector, and reaches the service unchanged."""
        text = ODD[oddity]
        result = self.with_neighbours(text)
        if (error := result.outcomes[1].error) is not None:
            fail(f"{text!r} fails: {type(error).__name__}: {error}", _REFUSE)
        self.right(result.vectors[1:2], [text], f"a text with {oddity}")

    def test_lone_surrogate_fails_alone(self) -> None:
        """Half a character is no text: it is refused, and its neighbours are embedded."""
        self.refused(self.with_neighbours("half \ud83d a smile"), 1, "a lone surrogate")

    def test_nul_is_embedded_or_fails_alone(self) -> None:
        """A NUL in a text ends no text early and crashes nothing."""
        text = "before\x00after"
        result = self.with_neighbours(text)
        if result.outcomes[1].error is not None:
            self.refused(result, 1, "a text with a NUL")
            return
        self.right(result.vectors[1:2], [text], "a text with a NUL")
        start = self.alone([text.partition("\x00")[0]])
        if np.allclose(result.vectors[1:2], start, atol=1e-7):
            fail("what comes after a NUL changes nothing", "hand the whole text to the model.")

    def test_no_string_fails_alone(self) -> None:
        """None or a number among the texts costs itself alone."""
        result = self.with_neighbours(None, 3.5)
        self.refused(result, 1, "None")
        self.refused(result, 2, "a number")

    def test_100000_characters_are_embedded_or_fail_alone(self) -> None:
        """A text longer than any model takes is embedded whole, or refused as a text."""
        result = self.with_neighbours(long_text("harbour"))
        if result.outcomes[1].error is not None:
            self.refused(result, 1, "a text of 100,000 characters")

    def test_nothing_is_cut_in_silence(self) -> None:
        """Long texts with different ends differ in their vectors, or it is said why not."""
        generator = self.load(EMBEDDING_OVERLONG="error")
        for characters in _LENGTHS:
            texts = [long_text(end, characters) for end in ("harbour", "mountain")]
            result = self.embed(generator, [*texts, self.sample[0]], on_error="keep")
            errors = [outcome.error for outcome in result.outcomes[:2]]
            wrong = [error for error in errors if error and not isinstance(error, TextRejected)]
            if wrong:
                fail(f"it ends in {type(wrong[0]).__name__}: {wrong[0]}", _REFUSE)
            if not any(errors):
                self._refuse_cut(texts, result)
                return
        self.not_proven(f"texts of {_LENGTHS[-1]} characters are refused")

    def _refuse_cut(self, texts: list[str], result: Embeddings) -> None:
        mend = (
            "do not truncate, and have the SDK or the service not do it: declare "
            "tokens_per_text and count_tokens, or raise TextTooLong for what is refused. Whether "
            "to cut is the user's to say (EMBEDDING_OVERLONG)."
        )
        if np.allclose(result.vectors[0], result.vectors[1], atol=1e-7):
            size = len(texts[0])
            fail(f"two texts of {size:,} characters with different ends have one vector", mend)
        if self.speaks_http:
            asked = {text_in(item) for items in self.server.asked for item in items}
            if not all(any(sent.endswith(text) for sent in asked) for text in texts):
                fail("the server was asked for less than the whole text", mend)
