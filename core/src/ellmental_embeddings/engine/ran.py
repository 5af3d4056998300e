"""What a call came to, told from its state at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import EmbeddingError
from ..result import OK, Outcome, Usage
from .call import Ran
from .place import blank

if TYPE_CHECKING:
    import asyncio

    from .call import CallState

__all__ = ["came_to", "came_to_nothing"]


def came_to(
    call: CallState, *, texts: int, width: int, normalised: bool | None, seconds: float
) -> Ran:
    """The end of a call.

    Args:
        call: its state.
        texts: texts given.
        width: dimensions, for the case that nothing has succeeded.
        normalised: whether means are to have length 1.
        seconds: since it began.
    """
    # Of a call that ended early: those that were never decided are not counted as failed.
    decided = texts if call.stopped is None else call.placement.decided()
    vectors, outcomes = call.placement.finish(width, _unsent(call.stopped), normalised=normalised)
    usage = Usage(
        texts=texts,
        unique=len(call.plan.pieces),
        requests=call.requests,
        retries=call.retries,
        tokens=call.tokens,
        seconds=seconds,
        cached=call.placement.recalled,
        hedged=call.hedged,
    )
    if call.tally is not None:
        whole = outcomes.count(OK) == texts  # the quick way, and the usual one
        without = 0 if whole else sum(outcome.error is not None for outcome in outcomes)
        call.tally.ended(call, usage, decided=decided, failed=without - (texts - decided))
    return Ran(vectors=vectors, outcomes=outcomes, usage=usage, stopped=call.stopped)


def came_to_nothing(
    stopped: EmbeddingError | asyncio.CancelledError, *, texts: int, width: int, seconds: float
) -> Ran:
    """The end of a call before anything was sent."""
    vectors = blank(texts, width)
    outcome = Outcome(status="failed", error=_unsent(stopped))
    usage = Usage(texts=texts, unique=0, requests=0, retries=0, tokens=0, seconds=seconds)
    return Ran(vectors=vectors, outcomes=[outcome] * texts, usage=usage, stopped=stopped)


def _unsent(stopped: EmbeddingError | asyncio.CancelledError | None) -> EmbeddingError:
    """Why a text has neither a vector nor an error of its own."""
    if isinstance(stopped, EmbeddingError):
        return stopped
    return EmbeddingError("not finished: the call was cancelled")
