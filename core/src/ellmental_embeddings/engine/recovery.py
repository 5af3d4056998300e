"""What follows an error of one batch: the table in ``retry.py``, carried out."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ..backend import Limits
from ..errors import BadReply, BatchTooLarge, TextRejected
from .halving import halve
from .hopeless import HOPELESS_PER_TEXT

if TYPE_CHECKING:
    from ..errors import EmbeddingError
    from .call import CallState, Part
    from .pace import Pace
    from .policy import Policy
    from .service import Service

__all__ = ["Recovery"]

log = logging.getLogger("ellmental_embeddings")

_WORTH_SAYING = 2.0
"""Seconds a batch may be retried before it is said that, and why, it is waited for."""

_QUIET = 10.0
"""Seconds between two such messages."""


class Recovery:
    """Carries out what the retry policy says.

    Args:
        policy: what the settings say.
        service: is taught what errors say of its limits.
        pace: is paused where a service asks everyone to wait.
    """

    def __init__(self, policy: Policy, service: Service, pace: Pace) -> None:
        self._policy = policy
        self._service = service
        self._pace = pace
        self._said_at = float("-inf")

    async def again(self, call: CallState, part: Part, error: EmbeddingError, spent: float) -> bool:
        """Do what the retry policy says; True where the same part is to be sent again.

        Args:
            call: whose part it is.
            part: what was sent.
            error: what became of it.
            spent: seconds since it was first sent.

        Raises:
            Stopped: when the call is to end.
        """
        part.bad_replies += isinstance(error, BadReply)
        self._learn(part, error)
        self._stop_if_hopeless(call, part, error)
        if call.draining:  # undecided, and nothing more is sent
            return False
        from . import retry

        step = retry.next_step(
            error,
            retry.Attempt(
                texts=len(part.pieces),
                tries=part.tries,
                spent=spent,
                deadline=self._policy.deadline,
                suspect=part.suspect,
                bad_replies=part.bad_replies,
            ),
        )
        log.debug("batch of %d failed (%s), next: %s", len(part.pieces), error, step)
        match step:
            case retry.Again(wait, everyone):
                self._say_waiting(error, part, spent, wait)
                if everyone:
                    self._pace.pause(wait)
                else:
                    await asyncio.sleep(wait)
                return True
            case retry.Halve(suspect):
                halve(
                    call,
                    part,
                    suspect=suspect,
                    last_success=self._service.last_success,
                    one_first=isinstance(error, TextRejected),
                )
            case retry.Drop(index, reason):
                call.placement.fail([part.pieces[index]], reason)
                call.queue.appendleft(part.without(index))
            case retry.Fail(reason):
                call.placement.fail(part.pieces, reason)
                if isinstance(error, BatchTooLarge) and part.before is not None:
                    self._service.limits = part.before
            case retry.GiveUp(reason) if self._service.last_success >= (part.began or 0.0):
                call.placement.fail(part.pieces, reason)
            case retry.GiveUp(reason) | retry.Stop(reason):
                call.stop(reason)
        call.tell(self._service, part)
        return False

    def _say_waiting(self, error: EmbeddingError, part: Part, spent: float, wait: float) -> None:
        """Tell whoever watches why nothing seems to happen; now and then, not for each batch."""
        now = asyncio.get_running_loop().time()
        if spent + wait < _WORTH_SAYING or now - self._said_at < _QUIET:
            return
        self._said_at = now
        log.warning(
            "%s; try %d follows in %.1f s, the last one within %g s (EMBEDDING_DEADLINE)",
            str(error).rstrip("."),
            part.tries + 1,
            wait,
            self._policy.deadline,
        )

    def _learn(self, part: Part, error: EmbeddingError) -> None:
        """What an error says about the service, beyond its own batch."""
        if isinstance(error, BatchTooLarge) and len(part.pieces) > 1:
            items = error.items
            if not any((error.items, error.tokens, error.bytes)):
                items, part.before = len(part.pieces) // 2, part.before or self._service.limits
            self._service.narrow(Limits(items=items, tokens=error.tokens, bytes=error.bytes))

    def _stop_if_hopeless(self, call: CallState, part: Part, error: EmbeddingError) -> None:
        """End a call where nothing can be used, however its texts are combined."""
        policy, service = self._policy, self._service
        size = min(policy.batch_size, service.limits.items or policy.batch_size)
        verdict = call.hope.verdict(
            error,
            part,
            most=HOPELESS_PER_TEXT * size + 4 * service.concurrency(policy.max_concurrency),
            succeeded=service.last_success >= call.began,
            answered=service.answered,
        )
        if verdict is not None:
            call.stop(verdict)
