"""The engine itself: takes one call's texts through plan, pace, backend, check and place."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING

from ..backend import Batch, Limits, Reply, Role
from ..errors import (
    BadReply,
    BatchTooLarge,
    EmbeddingError,
    PluginError,
    TextRejected,
)
from . import retry
from .ask import Asker
from .cache import Memory
from .call import CallState, Part, Ran
from .estimate import Estimator
from .hedge import Hedge
from .hopeless import HOPELESS_PER_TEXT
from .ledger import Most
from .pace import Pace, Pacer
from .place import Placement
from .planning import Planning
from .ran import came_to, came_to_nothing
from .service import Service, count
from .watch import Decided

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..backend import Backend, ModelInfo
    from .allowance import Allowance
    from .policy import Policy
    from .tally import Tally
    from .watch import Watch

__all__ = ["Engine", "Ran"]

log = logging.getLogger("ellmental_embeddings")

_LEAST_SECONDS = 1.0
"""Least time for a request, however near its batch's deadline is."""

_WORTH_SAYING = 2.0
"""Seconds a batch may be retried before it is said that, and why, it is waited for."""

_QUIET = 10.0
"""Seconds between two such messages."""


class _Stopped(Exception):
    """Ends all workers of a call."""


class Engine:
    """Embeds the texts of any number of calls at once through one backend.

    All its methods run on one event loop. What it learns (the width, limits, the service's
    pace) holds for all later calls.
    """

    def __init__(
        self, backend: Backend, policy: Policy, allowance: Allowance | None = None
    ) -> None:
        self.backend = backend
        self.policy = policy
        self.service = Service(backend.limits, backend.model, policy.dimensions)
        self._asker = Asker(backend, policy.secrets)
        self._planning = Planning(policy, self.service, self._asker)
        most = Most(policy.rpm, policy.tpm)
        self.pace = Pace(Pacer(self.concurrency, most, allowance))
        self._hedge = Hedge(self._asker, self.pace, policy.hedge)
        self._said_at = float("-inf")
        self._memory: Memory | None = None
        if policy.cache is not None:
            self._memory = Memory(policy.cache, policy, backend, self.service)
        self._first_answer = asyncio.Lock()
        self.estimator = Estimator(backend, self._planning, self._asker, self._memory)

    @property
    def model(self) -> ModelInfo:
        """What is known of the model: by its backend, else by vectors from the cache."""
        recalled = None if self.service.answered else self.service.recalled
        return recalled or self.backend.model

    @property
    def concurrency(self) -> int:
        """Most requests in flight that are of use."""
        most = self.policy.max_concurrency
        return min(most, self.service.limits.concurrency or most)

    async def run(
        self,
        texts: Sequence[object],
        *,
        role: Role,
        instruction: str | None,
        watch: Watch | None = None,
        tally: Tally | None = None,
    ) -> Ran:
        """Embed all texts, however long it takes; never raises for a text's or service's fault.

        Cancelling it makes it return what was finished, with ``stopped`` set. What looks on is
        told of every batch as soon as it is decided, and may let the call run out. A tally can be
        looked at meanwhile.
        """
        began = time.monotonic()
        native = self.backend.takes_instruction
        try:
            plan = await self._planning.plan(texts, "" if native else instruction or "")
        except (EmbeddingError, asyncio.CancelledError) as error:
            seconds = time.monotonic() - began
            width = self.service.width or 0
            return came_to_nothing(error, texts=len(texts), width=width, seconds=seconds)
        call = CallState(
            plan=plan,
            placement=Placement(plan),
            role=role,
            instruction=instruction if native else None,
            queue=deque(),
            workers=asyncio.TaskGroup(),
            began=asyncio.get_running_loop().time(),
            watch=watch,
            tally=tally,
        )
        self._tell(call)  # what the plan alone has decided
        try:
            if self._memory is not None:
                await self._recall(call, self._memory)
            if batches := await self._batches(call):
                await self._send(call, batches)
        except* _Stopped:
            pass
        except* asyncio.CancelledError as cancelled:
            call.stopped = call.stopped or asyncio.CancelledError(*cancelled.args)
        return came_to(
            call,
            texts=len(texts),
            width=self.service.width or 0,
            normalised=self.model.normalised,
            seconds=time.monotonic() - began,
        )

    async def _batches(self, call: CallState) -> list[Sequence[int]]:
        """What is not done yet of a call, in batches."""
        try:
            return await self._planning.batches(call.plan, call.placement.missing())
        except EmbeddingError as error:  # a plugin's fault in counting
            self._stop(call, error)
            return []

    async def _send(self, call: CallState, batches: Sequence[Sequence[int]]) -> None:
        """Send batches until each of their pieces has a vector or an error."""
        call.queue.extend(Part(pieces) for pieces in batches)
        async with asyncio.TaskGroup() as workers:
            call.workers = workers
            for _ in range(min(self.concurrency, len(call.queue))):
                workers.create_task(self._work(call))

    async def _recall(self, call: CallState, memory: Memory) -> None:
        """Place the vectors that the cache has. Where needed, one batch is sent first.

        A service that names its model only in its answers has to answer once before it can be
        said whose vectors to look for.
        """
        if not call.plan.pieces:
            return
        if not memory.ready:
            async with self._first_answer:
                if not memory.ready:
                    await self._send(call, (await self._batches(call))[:1])
        if memory.ready:
            await memory.recall(call)
            if told := self._tell(call):
                await told

    async def _work(self, call: CallState) -> None:
        while call.queue and not call.draining:
            part = call.queue.popleft()
            succeeded = False
            if len(part.pieces) > 1 and not call.fits(part, self.service.limits):
                self._halve(call, part, suspect=part.suspect)
            else:
                succeeded = await self._deliver(call, part)
            if part.other is not None:
                self._take_up(call, part.other, is_bad=succeeded)

    def _take_up(self, call: CallState, other: Part, *, is_bad: bool) -> None:
        """Queue a half that was held back; where it has the bad text, without asking again."""
        if is_bad and len(other.pieces) > 1:
            self._halve(call, other, suspect=True, one_first=True)
            return
        call.queue.appendleft(other)
        call.workers.create_task(self._work(call))

    def _halve(
        self, call: CallState, part: Part, *, suspect: bool, one_first: bool = False
    ) -> None:
        """Queue the halves of a part. Its worker goes on with one, a new worker takes one.

        With ``one_first`` the second is held back: if the first is taken, the bad text that is
        looked for is in the second, which is halved unsent. So it is found with at most
        2 log2(texts) requests.
        """
        first, second = part.halves(suspect=suspect, before=part.before)
        halves = [first] if one_first else [first, second]
        if suspect and self.service.last_success < call.began:
            # Nothing has succeeded yet: others first, to see whether it is the service.
            call.queue.extend(halves)
        else:
            call.queue.extendleft(reversed(halves))
        if one_first:
            first.other = second
        else:
            call.workers.create_task(self._work(call))

    async def _deliver(self, call: CallState, part: Part) -> bool:
        """Send one part until its texts have vectors, are divided further, or have failed.

        Returns:
            True where all of them have vectors.
        """
        clock = asyncio.get_running_loop().time
        texts = call.texts_of(part)
        tokens = call.tokens_of(part)
        while True:
            ticket = await self.pace.acquire(
                tokens, lambda: self._asker.tokens_of(texts), again=part.tries > 0
            )
            if call.draining:
                self.pace.release(ticket)
                return False
            part.began = clock() if part.began is None else part.began
            left = self.policy.deadline - (clock() - part.began)
            part.tries += 1
            call.requests += 1
            call.retries += part.again or part.tries > 1
            room = call.placement.room(part.pieces, self.service.width)
            call.asked()
            try:
                batch = Batch(texts, call.role, call.instruction, room)
                within = self._within(left)
                reply = await self._hedge.ask(call, batch, tokens, within=within)
                vectors = self.service.believe(reply, texts, clock())
                self.pace.answered(ticket, reply.rate, count(reply.tokens))
                taken = self._succeeded(call, part, reply, vectors)
            except EmbeddingError as error:
                failure = error
                self.pace.failed(ticket, error)
            except Exception as error:  # noqa: BLE001 - no reply, however odd, ends in a traceback
                failure = PluginError(f"a reply could not be used: {type(error).__name__}: {error}")
            else:
                if taken is not None:
                    await taken
                return True
            finally:
                self.pace.release(ticket)
                call.answered()
            if not await self._handled(call, part, failure, clock() - part.began):
                return False

    def _within(self, left: float) -> float:
        """Seconds for a request of a batch that has so many left until its deadline."""
        left = max(left, _LEAST_SECONDS)
        return left if self.backend.keeps_timeout else min(self.policy.timeout, left)

    def _succeeded(
        self, call: CallState, part: Part, reply: Reply, vectors: NDArray[np.float32]
    ) -> Awaitable[None] | None:
        """Put the vectors in their places; what to wait for until they are taken from there."""
        if call.placement.width not in (None, vectors.shape[1]):
            # The width that the first answer gave was the wrong one.
            pieces = call.placement.forget()
            size = self.policy.batch_size
            for start in range(0, len(pieces), size):
                call.queue.append(Part(pieces[start : start + size], again=True))
                call.workers.create_task(self._work(call))
        call.placement.put(part.pieces, vectors)
        call.hope.succeeded()
        if self._memory is not None and self._memory.ready:
            self._memory.keep(call, part, vectors)
        self.pace.narrow(self.concurrency)
        tokens = count(reply.tokens)
        call.tokens = None if call.tokens is None or tokens is None else call.tokens + tokens
        return self._tell(call, part, tokens)

    def _tell(
        self, call: CallState, part: Part | None = None, tokens: int | None = 0
    ) -> Awaitable[None] | None:
        """Tell who looks on what is decided now, after a part or before the first."""
        if call.watch is None:
            return None
        positions, vectors, outcomes = call.placement.take_decided(
            self.service.width or 0, normalised=self.model.normalised
        )
        if not len(positions):
            return None
        usage = call.usage_of(part, len(positions), tokens, asyncio.get_running_loop().time())
        return call.watch.tell(Decided(positions, vectors, outcomes, usage))

    async def _handled(
        self, call: CallState, part: Part, error: EmbeddingError, spent: float
    ) -> bool:
        """Do what the retry policy says; True where the same part is to be sent again."""
        part.bad_replies += isinstance(error, BadReply)
        self._learn(part, error)
        self._stop_if_hopeless(call, part, error)
        if call.draining:  # undecided, and nothing more is sent
            return False
        step = retry.next_step(
            error,
            retry.Attempt(
                texts=len(part.pieces),
                tries=part.tries,
                spent=spent,
                deadline=self.policy.deadline,
                suspect=part.suspect,
                bad_replies=part.bad_replies,
            ),
        )
        log.debug("batch of %d failed (%s), next: %s", len(part.pieces), error, step)
        match step:
            case retry.Again(wait, everyone):
                self._say_waiting(error, part, spent, wait)
                if everyone:
                    self.pace.pause(wait)
                else:
                    await asyncio.sleep(wait)
                return True
            case retry.Halve(suspect):
                one_first = isinstance(error, TextRejected)
                self._halve(call, part, suspect=suspect, one_first=one_first)
            case retry.Drop(index, reason):
                call.placement.fail([part.pieces[index]], reason)
                call.queue.appendleft(part.without(index))
            case retry.Fail(reason):
                call.placement.fail(part.pieces, reason)
                if isinstance(error, BatchTooLarge) and part.before is not None:
                    self.service.limits = part.before
            case retry.GiveUp(reason) if self.service.last_success >= (part.began or 0.0):
                call.placement.fail(part.pieces, reason)
            case retry.GiveUp(reason) | retry.Stop(reason):
                self._stop(call, reason)
        self._tell(call, part)
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
            self.policy.deadline,
        )

    def _learn(self, part: Part, error: EmbeddingError) -> None:
        """What an error says about the service, beyond its own batch."""
        if isinstance(error, BatchTooLarge) and len(part.pieces) > 1:
            items = error.items
            if not any((error.items, error.tokens, error.bytes)):
                items, part.before = len(part.pieces) // 2, part.before or self.service.limits
            self.service.narrow(Limits(items=items, tokens=error.tokens, bytes=error.bytes))

    def _stop_if_hopeless(self, call: CallState, part: Part, error: EmbeddingError) -> None:
        """End a call where nothing can be used, however its texts are combined."""
        size = min(self.policy.batch_size, self.service.limits.items or self.policy.batch_size)
        verdict = call.hope.verdict(
            error,
            part,
            most=HOPELESS_PER_TEXT * size + 4 * self.concurrency,
            succeeded=self.service.last_success >= call.began,
            answered=self.service.answered,
        )
        if verdict is not None:
            self._stop(call, verdict)

    def _stop(self, call: CallState, error: EmbeddingError) -> None:
        call.stopped = call.stopped or error
        if call.watch is None:
            raise _Stopped
        call.watch.drain.begin()
