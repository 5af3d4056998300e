"""Same text, same vector, whatever stands beside it; and what a reply holds."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ...backend import Batch
from ...errors import BatchTooLarge, EmbeddingError
from ..base import fail
from ..compare import ComparingBase

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["VectorChecks"]

_UNIT = 1e-2
"""How far from 1 the length of a vector may be that is declared to be normalised."""


class VectorChecks(ComparingBase):
    """What the backend returns for good texts."""

    def test_one_row_a_text_of_one_width_all_finite(self) -> None:
        """The backend by itself returns as many rows as texts, finite, of the declared width."""
        with self.bare() as bare:
            told = self.native_instruction(bare.backend)
            texts = self.sample[: bare.backend.limits.items]
            try:
                reply = bare.ask(Batch(tuple(texts), instruction=told), within=60)
            except BatchTooLarge as error:  # what is learnt of the limits only by asking
                texts = texts[: error.items or 2]
                reply = bare.ask(Batch(tuple(texts), instruction=told), within=60)
            model = bare.backend.model
        try:
            matrix: NDArray[np.float64] = np.asarray(reply.vectors, dtype=np.float64)
        except (TypeError, ValueError) as error:
            fail(
                f"the reply's vectors are no matrix of numbers: {error}",
                "return rows of one width; a numpy array of float32 is best.",
            )
        expected = (len(texts), model.dimensions or matrix.shape[-1])
        if matrix.shape != expected:
            fail(
                f"the reply's vectors have the shape {matrix.shape}, not {expected}",
                "return one row a text, none left out, and declare in `model` the width that "
                "comes.",
            )
        if not np.isfinite(matrix).all():
            fail("the reply has NaN or infinite numbers", "raise BadReply instead.")
        lengths = np.linalg.norm(matrix, axis=1)
        if model.normalised and np.abs(lengths - 1).max() > _UNIT:
            fail(
                f"declared as normalised, but a vector has the length {lengths.max():.4g}",
                "set normalised=None or False in `model`.",
            )

    def test_reply_is_no_wider_than_float32(self) -> None:
        """Numbers survive as float32: none is too large for it, and users get that type."""
        mend = "return numbers within float32's range, as an array of float32 at best."
        try:
            vectors = self.embed(self.shared(), self.sample).vectors
        except EmbeddingError as error:
            fail(f"the sample texts end in {type(error).__name__}: {error}", mend)
        if vectors.dtype != np.float32 or not np.isfinite(vectors).all():
            fail(f"users get {vectors.dtype}", mend)

    def test_alone_and_in_a_batch_alike(self) -> None:
        """A text's vector does not depend on the texts that are embedded with it."""
        texts = self.sample
        together = self.embed(self.load(BATCH_SIZE=len(texts)), texts).vectors
        self.same(
            together,
            self.alone(texts),
            texts,
            "together with others and alone",
            "place each vector on its text's row; mask what pads a batch; a model that "
            "computes in half precision or normalises over the batch needs float32.",
        )

    def test_order_of_texts_does_not_matter(self) -> None:
        """Texts in another order have the same vectors, each on its own row."""
        texts = self.sample
        shuffled = random.Random(7).sample(texts, len(texts))  # noqa: S311 - any order will do
        generator = self.load(BATCH_SIZE=5)
        first = self.embed(generator, texts).vectors
        second = self.embed(generator, shuffled).vectors
        self.same(
            second[[shuffled.index(text) for text in texts]],
            first,
            texts,
            "in two orders",
            "return rows in the order of batch.texts, or say in Reply.index which is which.",
        )

    @pytest.mark.parametrize("size", [1, 3, 50])
    def test_batch_size_does_not_matter(self, size: int) -> None:
        """BATCH_SIZE is a matter of speed: it changes no vector."""
        texts = self.sample
        result = self.embed(self.load(BATCH_SIZE=size), texts)
        self.right(result.vectors, texts, f"with BATCH_SIZE={size}")

    def test_again_alike(self) -> None:
        """The same text has the same vector the next time, in this generator and in a new one."""
        texts = self.sample
        generator = self.shared()
        first, second = (self.embed(generator, texts).vectors for _ in range(2))
        other = self.embed(self.load(), texts).vectors
        mend = "switch off what is random: dropout, sampling, a model that goes on training."
        self.same(second, first, texts, "the second time", mend)
        self.same(other, first, texts, "from a new generator", mend)

    def test_different_texts_differ(self) -> None:
        """No two of the sample texts share a vector: the text reaches the model."""
        vectors = self.embed(self.shared(), self.sample).vectors
        for place, vector in enumerate(vectors[1:], start=1):
            twin = int(np.abs(vectors[:place] - vector).max(axis=1).argmin())
            if np.array_equal(vectors[twin], vector):
                fail(
                    f"{self.sample[twin]!r} and {self.sample[place]!r} have one vector",
                    "embed the whole of each text; if the model cannot tell these apart, set "
                    "`texts` of your test class to some that it can.",
                )
