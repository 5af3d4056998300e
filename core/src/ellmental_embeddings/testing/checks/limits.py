"""What the backend declares of its limits is so."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, cast

import pytest

from ...backend import Batch, Limits
from ...errors import EmbeddingError, TextTooLong
from ..base import fail
from ..compare import ComparingBase
from ..samples import ODD, long_text

if TYPE_CHECKING:
    from typing import Literal

__all__ = ["LimitChecks"]

_MOST_ITEMS = 2_500
"""Texts in the largest request that is tried: above the largest limit in use (OpenAI's 2,048)."""


class LimitChecks(ComparingBase):
    """Limits of a request and of a text."""

    def test_limits_are_numbers_above_zero(self) -> None:
        """A limit is a whole number from 1 up, or None where it is not known."""
        with self.bare() as bare:
            limits = bare.backend.limits
        if not isinstance(limits, Limits):
            fail(f"limits is {limits!r}", "set it to a Limits.")
        wrong = [
            f"{field.name}={value!r}"
            for field in fields(limits)
            if (value := getattr(limits, field.name)) is not None
            and (not isinstance(value, int) or isinstance(value, bool) or value < 1)
        ]
        if wrong:
            fail(f"{', '.join(wrong)} in limits", "leave unknown limits None.")

    def test_as_many_texts_as_declared_are_taken(self) -> None:
        """A request with as many short texts as `limits.items` says is answered."""
        with self.bare() as bare:
            declared = bare.backend.limits.items
            if declared is None:
                self.not_proven("limits.items is not declared: it is learnt from refusals")
            if declared > _MOST_ITEMS:
                self.not_proven(f"limits.items={declared} is more than is tried here")
            texts = tuple(f"t{number}" for number in range(declared))
            tokens = bare.backend.limits.tokens
            while tokens and len(texts) > 1 and sum(map(bare.backend.most_tokens, texts)) > tokens:
                texts = texts[: len(texts) // 2]
            told = self.native_instruction(bare.backend)
            try:
                reply = bare.ask(Batch(texts, instruction=told), within=60)
            except EmbeddingError as error:
                fail(
                    f"{len(texts)} short texts, {declared} are declared: "
                    f"{type(error).__name__}: {error}",
                    "declare in limits.items no more than a request may hold.",
                )
        rows = len(cast("list[object]", reply.vectors))
        if rows != len(texts):
            fail(f"{rows} rows for {len(texts)} texts", "declare fewer items in limits.")

    def test_no_request_is_over_the_declared_limit(self) -> None:
        """However large BATCH_SIZE is, requests hold no more texts than declared."""
        self.needs_http()
        generator = self.load(BATCH_SIZE=5_000)
        self.embed(generator, self.sample)  # some limits are learnt from the first answer
        self.server.forget()
        items = generator.limits.items
        if items is None or items > _MOST_ITEMS:
            self.not_proven("limits.items is not declared, or very large")
        texts = [f"text number {number} of many." for number in range(2 * items + 1)]
        self.right(self.embed(generator, texts).vectors, texts, "over the limit of items")
        if (most := max(map(len, self.server.asked))) > items:
            fail(f"a request had {most} texts, declared are {items}", "send batch.texts as is.")

    def test_bound_of_tokens_holds(self) -> None:
        """``most_tokens`` is never below ``count_tokens``, or texts go out that are too long."""
        generator = self.shared()
        for text in (*self.sample, *ODD.values(), "a\x00b", long_text("end", 3_000)):
            exact, most = generator.count_tokens(text), generator.most_tokens(text)
            if most < 1 or (exact is not None and not 1 <= exact <= most):
                fail(
                    f"most_tokens says {most}, count_tokens {exact} for {text[:60]!r}",
                    "let most_tokens add the special tokens that the model adds; without "
                    "knowing better, return the UTF-8 length plus those.",
                )

    @pytest.mark.parametrize("policy", ["error", "truncate", "average"])
    def test_overlong_text_is_handled_as_asked(
        self, policy: Literal["error", "truncate", "average"]
    ) -> None:
        """EMBEDDING_OVERLONG decides what becomes of a text over `limits.tokens_per_text`."""
        generator = self.load(EMBEDDING_OVERLONG=policy)
        limit = generator.limits.tokens_per_text
        if limit is None:
            self.not_proven("limits.tokens_per_text is not declared")
        text = long_text("harbour", 9 * limit)
        exact = generator.count_tokens(text)
        if exact is None:
            self.not_proven("count_tokens does not know: over-long texts are the service's")
        if exact <= limit:
            fail(f"{len(text):,} characters count as {exact} tokens", "look at count_tokens.")
        outcome = self.embed(generator, [text, self.sample[0]], on_error="keep").outcomes[0]
        status = {"error": "failed", "truncate": "truncated", "average": "split"}[policy]
        if outcome.status != status or (
            policy == "error" and not isinstance(outcome.error, TextTooLong)
        ):
            fail(
                f"a text of {exact} tokens, where {limit} are declared: {outcome}",
                "let count_tokens count all that the model counts, special tokens included.",
            )
