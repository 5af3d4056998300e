"""What is known of a service, and what its answers are believed to say.

It holds for all calls of one generator, and grows with every answer: the width of the vectors,
the model's name, the limits of a request, when something last succeeded.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ..backend import Limits, Reply
from ..errors import BadReply, ConfigurationError
from .check import checked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..backend import Backend, ModelInfo

__all__ = ["Service", "count"]

_ACCIDENTS = 2
"""Answers of a wrong width, before any good one, that are still taken for accidents."""


_MOST_TOKENS = 2**53
"""No request has so many: whatever says it does is no count, and no ledger could hold it."""

_MOST_VOTERS = 64
"""Batches of one width after which no other width outnumbers it any more."""


class Service:
    """Decides what is believed, and remembers what was learnt.

    Args:
        backend: declares its limits and its model.
        asked: EMBEDDING_DIMENSIONS, or None.

    Attributes:
        backend: the same.
        limits: what one request may hold, as far as it is known by now.
        width: dimensions of the vectors; None before the first answer where undeclared.
        model: the model that answered, where the service names it.
        recalled: what was known of the model when it made the vectors that a cache had.
        last_success: when a request last succeeded, on the clock of whoever calls.
    """

    def __init__(self, backend: Backend, asked: int | None) -> None:
        self.backend = backend
        self.limits = backend.limits
        self.width = asked or backend.model.dimensions
        self.model: str | None = None
        self.recalled: ModelInfo | None = None
        self.last_success = float("-inf")
        self._asked = asked
        self._declared = self.width is not None
        self._voters: defaultdict[int, set[int]] = defaultdict(set)
        self._other_widths = 0

    @property
    def answered(self) -> bool:
        """Whether any request has succeeded yet."""
        return self.last_success > float("-inf")

    @property
    def model_info(self) -> ModelInfo:
        """What is known of the model: by its backend, else by vectors from the cache."""
        recalled = None if self.answered else self.recalled
        return recalled or self.backend.model

    def concurrency(self, most: int) -> int:
        """Most requests in flight that are of use, of so many that are allowed."""
        return min(most, self.limits.concurrency or most)

    @property
    def is_sure(self) -> bool:
        """Whether the width is more than one answer's word: declared, known before, or repeated."""
        known = self._declared or self.recalled is not None or self.width is None
        return known or len(self._voters[self.width or 0]) > 1

    def believe(self, reply: Reply, texts: tuple[str, ...], now: float) -> NDArray[np.float32]:
        """The vectors of a reply, float32, shape (texts, dimensions), in the texts' order.

        Raises:
            BadReply: when the reply cannot be believed.
            ConfigurationError: when the service does not do what the settings ask for, or
                answers with another model than before.
            PluginError: when it is no Reply at all.
        """
        vectors = checked(reply, len(texts))
        self._check_width(vectors.shape[1], texts)
        self._check_model(reply.model)
        self.last_success = now
        if reply.limits is not None:
            self.narrow(reply.limits)
        return vectors

    def assume(self, model: ModelInfo) -> None:
        """Take what was known of the model when it made cached vectors, until it answers itself.

        Width and name count as undeclared: an answer that says otherwise is believed.
        """
        self.recalled = model
        self.width = self.width or model.dimensions

    def narrow(self, learnt: Limits) -> None:
        """Take over limits that the service told of, where they are smaller than those known."""
        known = self.limits
        if learnt in (known, Limits()):
            return
        self.limits = Limits(
            items=_least(known.items, learnt.items),
            tokens=_least(known.tokens, learnt.tokens),
            bytes=_least(known.bytes, learnt.bytes),
            tokens_per_text=_least(known.tokens_per_text, learnt.tokens_per_text),
            concurrency=_least(known.concurrency, learnt.concurrency),
        )

    def _check_width(self, width: int, texts: tuple[str, ...]) -> None:
        if self.width is None:
            self.width = width
        voters = self._voters[width]
        if len(voters) < _MOST_VOTERS:
            voters.add(hash(texts))
        if width == self.width:
            return
        problem = f"vectors of {width} dimensions came, not of {self.width}"
        if self._declared:
            self._other_widths += 1
            # Twice may be an accident, with many requests in flight; three times, and never the
            # right one, is how the model is. No more: a text alone fails at its third.
            if self._asked and not self.answered and self._other_widths > _ACCIDENTS:
                raise ConfigurationError(
                    f"EMBEDDING_DIMENSIONS={self._asked}, but the model answered with vectors of "
                    f"{width} dimensions: it does not shorten them. Unset it."
                )
            raise BadReply(problem)
        # Nobody declared a width, so the first answer did; it may have been the wrong one. A text
        # whose vector is always wrong has one vote, however often it is asked for.
        if len(voters) <= len(self._voters[self.width]):
            raise BadReply(problem)
        self.width = width

    def _check_model(self, model: str | None) -> None:
        if model is None:
            return
        if model == self.model:
            return
        if self.model is not None and _plain(model) != _plain(self.model):
            raise ConfigurationError(
                f"the service answers with the model {model} now, and did with {self.model} "
                "before: their vectors cannot be compared. Make it serve one model, and embed "
                "everything with that one."
            )
        self.model = self.model or model


def _plain(model: str) -> str:
    """A model's name without owner and case, which gateways spell in several ways."""
    return model.rpartition("/")[2].lower()


def _least(known: int | None, learnt: int | None) -> int | None:
    return min((value for value in (known, learnt) if value), default=None)


def count(tokens: object) -> int | None:
    """A number of tokens; None where a plugin gave something else."""
    is_one = isinstance(tokens, int) and not isinstance(tokens, bool) and 0 <= tokens < _MOST_TOKENS
    return tokens if is_one else None  # type: ignore[return-value]
