"""A call's batches on their way: each is sent until its texts have vectors, or have failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..backend import Batch
from ..errors import EmbeddingError, PluginError
from .call import Part
from .halving import halve, take_up
from .recovery import Recovery
from .redact import redact
from .service import count

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..backend import Reply
    from .cache import Memory
    from .call import CallState
    from .hedge import Hedge
    from .pace import Pace
    from .policy import Policy
    from .service import Service

__all__ = ["Delivery"]

_LEAST_SECONDS = 1.0
"""Least time for a request, however near its batch's deadline is."""


class Delivery:
    """Sends the batches of any number of calls, as many at a time as the pace allows.

    Args:
        policy: what the settings say.
        service: what is known of the service, and what of its answers is believed.
        pace: lets each request go.
        hedge: asks, and asks again where an answer is late.
        memory: keeps what came; or None.
    """

    def __init__(
        self, policy: Policy, service: Service, pace: Pace, hedge: Hedge, memory: Memory | None
    ) -> None:
        self._policy = policy
        self._service = service
        self._pace = pace
        self._hedge = hedge
        self._memory = memory
        self._recovery = Recovery(policy, service, pace)

    async def send(self, call: CallState, batches: Sequence[Sequence[int]]) -> None:
        """Send batches until each of their pieces has a vector or an error.

        Raises:
            BaseExceptionGroup: of Stopped, where the call is to end.
        """
        call.queue.extend(Part(pieces) for pieces in batches)
        most = self._service.concurrency(self._policy.max_concurrency)
        async with asyncio.TaskGroup() as workers:
            call.workers, call.work = workers, self._work
            for _ in range(min(most, len(call.queue)) - 1):
                call.start_worker()
            await self._work(call)  # so that a call of one batch needs no further task

    async def _work(self, call: CallState) -> None:
        while call.queue and not call.draining:
            part = call.queue.popleft()
            succeeded = False
            if len(part.pieces) > 1 and not call.fits(part, self._service.limits):
                halve(call, part, suspect=part.suspect, last_success=self._service.last_success)
            else:
                succeeded = await self._deliver(call, part)
            if part.other is not None:
                take_up(
                    call,
                    part.other,
                    is_bad=succeeded,
                    last_success=self._service.last_success,
                )

    async def _deliver(self, call: CallState, part: Part) -> bool:
        """Send one part until its texts have vectors, are divided further, or have failed.

        Returns:
            True where all of them have vectors.
        """
        clock = asyncio.get_running_loop().time
        texts = call.texts_of(part)
        tokens = call.tokens_of(part)
        while True:
            ticket = await self._pace.acquire(
                tokens, lambda: self._hedge.asker.tokens_of(texts), again=part.tries > 0
            )
            if call.draining:
                self._pace.release(ticket)
                return False
            part.began = clock() if part.began is None else part.began
            left = self._policy.deadline - (clock() - part.began)
            part.tries += 1
            call.requests += 1
            call.retries += part.again or part.tries > 1
            call.asked()
            try:
                room = call.placement.room(part.pieces, self._service.width)
                batch = Batch(texts, call.role, call.instruction, room)
                within = self._within(left)
                reply = await self._hedge.ask(call, batch, tokens, within=within)
                vectors = self._service.believe(reply, texts, clock())
                self._pace.answered(ticket, reply.rate, count(reply.tokens))
                taken = self._succeeded(call, part, reply, vectors)
            except EmbeddingError as error:
                failure = error
                self._pace.failed(ticket, error)
            except Exception as error:  # noqa: BLE001 - no reply, however odd, ends in a traceback
                failure = PluginError(f"a reply could not be used: {type(error).__name__}: {error}")
            else:
                if taken is not None:
                    await taken
                return True
            finally:
                self._pace.release(ticket)
                call.answered()
            redact(failure, self._policy.secrets)  # what is said of a reply may repeat it
            if not await self._recovery.again(call, part, failure, clock() - part.began):
                return False

    def _within(self, left: float) -> float:
        """Seconds for a request of a batch that has so many left until its deadline."""
        left = max(left, _LEAST_SECONDS)
        keeps_timeout = self._service.backend.keeps_timeout
        return left if keeps_timeout else min(self._policy.timeout, left)

    def _succeeded(
        self, call: CallState, part: Part, reply: Reply, vectors: NDArray[np.float32]
    ) -> Awaitable[None] | None:
        """Put the vectors in their places; what to wait for until they are taken from there."""
        if call.placement.width not in (None, vectors.shape[1]):
            # The width that the first answer gave was the wrong one.
            pieces = call.placement.forget()
            size = self._policy.batch_size
            for start in range(0, len(pieces), size):
                call.queue.append(Part(pieces[start : start + size], again=True))
                call.start_worker()
        call.placement.put(part.pieces, vectors)
        call.hope.succeeded()
        if self._memory is not None and self._memory.ready:
            self._memory.keep(call, part, vectors)
        self._pace.narrow(self._service.concurrency(self._policy.max_concurrency))
        tokens = count(reply.tokens)
        call.tokens = None if call.tokens is None or tokens is None else call.tokens + tokens
        return call.tell(self._service, part, tokens)
