"""When a call is given up because the service is broken as a whole, not some of its texts.

Looking for bad texts by halving costs up to three requests a text where all of them are bad. That
is right where some texts are to blame, and a waste where the service is: so the search ends
when it has seen enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import BadReply, EmbeddingError, TextRejected

if TYPE_CHECKING:
    from .call import Part

__all__ = ["HOPELESS_PER_TEXT", "Hope"]

HOPELESS_PER_TEXT = 3
"""Requests for each text of a batch that finding all of them bad can take: twice as many parts
as texts, and each text alone once more. Beyond that, and with no success, it is the service."""

_IN_A_ROW = 16
"""Failures without a reason, one after the other, of a service that had answered before: a batch,
its halves, quarters and eighths. A few bad texts among good ones never make so many in a row."""

_FROM_THE_START = 7
"""The same for a service that has never answered: a batch, its halves and its quarters. A bad text
in each half leaves two good quarters, which is enough to go on looking."""


@dataclass(slots=True)
class Hope:
    """How badly a call has fared.

    Attributes:
        unusable: requests without a usable answer.
        in_a_row: failures of several texts at once without a reason, since something succeeded.
    """

    unusable: int = 0
    in_a_row: int = 0

    def succeeded(self) -> None:
        """A request was answered well."""
        self.in_a_row = 0

    def verdict(
        self, error: EmbeddingError, part: Part, *, most: int, succeeded: bool, answered: bool
    ) -> EmbeddingError | None:
        """Count a failure; the error that should end the call, or None to go on.

        Args:
            error: what became of the part.
            part: what was sent.
            most: unusable answers that looking through a whole batch can take.
            succeeded: whether anything has succeeded since the call began.
            answered: whether anything ever has.
        """
        nameless = isinstance(error, TextRejected) and error.index is None
        self.unusable += isinstance(error, BadReply) or nameless
        if isinstance(error, TextRejected) and error.unexplained:
            self.in_a_row += len(part.pieces) > 1
            if self.in_a_row >= (_IN_A_ROW if answered else _FROM_THE_START):
                return BadReply(
                    f"{self.in_a_row} requests in a row had no usable answer, so it is not one "
                    f"text: {error}. If some texts are to blame all the same, BATCH_SIZE=1 lets "
                    "each fail by itself"
                )
        if self.unusable > most and not succeeded:
            return BadReply(
                f"none of {self.unusable} requests had a usable answer; the last: {error}"
            )
        return None
