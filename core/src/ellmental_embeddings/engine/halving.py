"""A part is sent again in halves: to find a bad text, or since it was too large. Sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .call import CallState, Part

__all__ = ["halve", "take_up"]


def halve(
    call: CallState, part: Part, *, suspect: bool, last_success: float, one_first: bool = False
) -> None:
    """Queue the halves of a part. Its worker goes on with one, a new worker takes one.

    With ``one_first`` the second is held back: if the first is taken, the bad text that is
    looked for is in the second, which is halved unsent. So it is found with at most
    2 log2(texts) requests.

    Args:
        call: whose part it is.
        part: at least two pieces.
        suspect: whether a bad text is looked for.
        last_success: when the service last answered well, on the loop's clock.
        one_first: as above.
    """
    first, second = part.halves(suspect=suspect, before=part.before)
    halves = [first] if one_first else [first, second]
    if suspect and last_success < call.began:
        # Nothing has succeeded yet: others first, to see whether it is the service.
        call.queue.extend(halves)
    else:
        call.queue.extendleft(reversed(halves))
    if one_first:
        first.other = second
    else:
        call.start_worker()


def take_up(call: CallState, other: Part, *, is_bad: bool, last_success: float) -> None:
    """Queue a half that was held back; where it has the bad text, without asking again."""
    if is_bad and len(other.pieces) > 1:
        halve(call, other, suspect=True, last_success=last_success, one_first=True)
        return
    call.queue.appendleft(other)
    call.start_worker()
