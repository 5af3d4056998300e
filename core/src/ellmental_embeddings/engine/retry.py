"""What is done about an error, as one pure function: the only owner of retries.

======================== =========================================================
error                    step
======================== =========================================================
RateLimited              waits and is sent again; everyone waits where it says how long
Unavailable              this batch waits, with jitter, and is sent again
BatchTooLarge            halve; a single text fails
TextRejected with index  that text fails, the others are sent again
TextRejected without     halve until it is found; a single text fails
BadReply                 once more, then halve; a single text, after three, fails
any other                the call ends
======================== =========================================================

Waits end at the batch's deadline; then it gives up.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import BadReply, BatchTooLarge, RateLimited, TextRejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import EmbeddingError

__all__ = ["Again", "Attempt", "Drop", "Fail", "GiveUp", "Halve", "Step", "Stop", "next_step"]

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
"""Seconds. Doubling from the first to the longest is what the SDKs of the field do; jitter
(half to the whole of it) keeps batches that failed together from coming back together."""

_JITTER = 0.1
"""Share of a wait that was asked for that is waited beyond it, at random, a second at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How far a batch has come.

    Attributes:
        texts: texts in the batch.
        tries: requests sent for it, at least 1.
        spent: seconds since the first of them was sent.
        deadline: seconds it may spend.
        suspect: True for a half of a batch whose replies were bad.
        bad_replies: bad replies it has had.
    """

    texts: int
    tries: int
    spent: float
    deadline: float
    suspect: bool = False
    bad_replies: int = 0


@dataclass(frozen=True, slots=True)
class Again:
    """Send the batch again after a wait in seconds; ``everyone``: no other is sent meanwhile."""

    wait: float
    everyone: bool = False


@dataclass(frozen=True, slots=True)
class Halve:
    """Send the two halves instead; ``suspect``: a bad text is being looked for."""

    suspect: bool


@dataclass(frozen=True, slots=True)
class Drop:
    """The text at ``index`` of the batch fails; the others are sent again."""

    index: int
    error: EmbeddingError


@dataclass(frozen=True, slots=True)
class Fail:
    """The batch's texts fail; the call goes on."""

    error: EmbeddingError


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The deadline is over: the texts fail; if nothing else succeeds either, the call ends."""

    error: EmbeddingError


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing will help: the call ends."""

    error: EmbeddingError


Step = Again | Halve | Drop | Fail | GiveUp | Stop

_SEARCH = Halve(suspect=True)

_ALONE = 3
"""Bad replies to a single text before it fails. Where every fifth reply is bad by chance, two would
lose a text in one of some fifteen runs of 100,000 texts, three in one of eighty."""


def next_step(  # noqa: PLR0911 - one return a row of the table above
    error: EmbeddingError,
    attempt: Attempt,
    *,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Step:
    """Decide what is done about an error of a batch. Changes nothing."""
    match error:
        case RateLimited() | Unavailable():
            return _wait(error, attempt, uniform)
        case BatchTooLarge():
            if attempt.texts > 1:
                return Halve(suspect=attempt.suspect)
            return Fail(TextRejected(f"it alone is too large for one request: {error}"))
        case TextRejected(index=int(index)) if 0 <= index < attempt.texts:
            return Drop(index, error) if attempt.texts > 1 else Fail(error)
        case TextRejected():
            return _SEARCH if attempt.texts > 1 else Fail(error)
        case BadReply():
            if attempt.texts > 1:
                return Again(0.0) if attempt.bad_replies <= 1 and not attempt.suspect else _SEARCH
            return Again(0.0) if attempt.bad_replies < _ALONE else Fail(error)
        case _:
            return Stop(error)


def _wait(
    error: RateLimited | Unavailable, attempt: Attempt, uniform: Callable[[float, float], float]
) -> Step:
    asked = error.retry_after
    known = isinstance(asked, (int, float)) and math.isfinite(asked) and asked >= 0
    told = float(asked) if known and asked is not None else 0.0
    # Who was told how long to wait, waited and was refused again, was not told the truth.
    doublings = attempt.tries - (1 if not known else 3 if told else 2)
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(doublings, 16)) if doublings >= 0 else 0.0
    wait = max(told, uniform(longest / 2, longest))
    if attempt.spent + wait <= attempt.deadline:
        if isinstance(error, RateLimited):  # the pacer makes a common pause longer at random
            return Again(wait, everyone=known and wait == told)
        return Again(wait + (uniform(0.0, min(told * _JITTER, 1.0)) if wait == told else 0.0))
    said = f" It asks to wait {told:g} s." if known else ""
    tries = "1 try" if attempt.tries == 1 else f"{attempt.tries} tries"
    return GiveUp(
        type(error)(
            f"{str(error).rstrip('.')}.{said} Gave up after {tries} in {attempt.spent:.1f} s: the "
            f"next would come after EMBEDDING_DEADLINE={attempt.deadline:g}."
        )
    )
