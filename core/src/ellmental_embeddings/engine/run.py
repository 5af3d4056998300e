"""The engine itself: takes one call's texts through plan, pace, backend, check and place."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..backend import Batch, Limits, Reply, Role
from ..errors import (
    BadReply,
    BatchTooLarge,
    ConfigurationError,
    EmbeddingError,
    RateLimited,
    TextRejected,
    Unavailable,
)
from ..result import Usage
from . import retry
from .ask import Asker
from .check import checked
from .pace import Pace
from .place import Placement
from .plan import Plan, Rules, group, make_plan
from .threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..backend import Backend
    from ..result import Outcome
    from .policy import Policy

__all__ = ["Engine", "Ran"]

log = logging.getLogger("ellmental_embeddings")

_INLINE_CHARACTERS = 200_000
"""Plans of longer input are made in a thread, so that the loop keeps answering others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a call came to.

    Attributes:
        vectors: float32, shape (texts, dimensions), NaN rows for failed texts.
        outcomes: per text.
        usage: what it took.
        stopped: the error that ended the call before its end, else None; a CancelledError
            where it was cancelled.
    """

    vectors: NDArray[np.float32]
    outcomes: list[Outcome]
    usage: Usage
    stopped: EmbeddingError | asyncio.CancelledError | None = None


@dataclass(slots=True)
class _Part:
    """Pieces of a plan on their way: one batch, or what is left of one.

    A range while it is whole, so that its vectors are written with one copy.
    """

    pieces: Sequence[int]
    suspect: bool = False
    again: bool = False
    tries: int = 0
    bad_replies: int = 0
    began: float | None = None


@dataclass(slots=True)
class _Call:
    """The state of one call while it runs."""

    plan: Plan
    placement: Placement
    role: Role
    instruction: str | None
    queue: deque[_Part]
    workers: asyncio.TaskGroup
    requests: int = 0
    retries: int = 0
    tokens: int | None = 0
    stopped: EmbeddingError | asyncio.CancelledError | None = field(default=None)


_HOPELESS = 20
"""Requests in a row without a usable answer, over what concurrent bad batches explain."""


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

    def __init__(self, backend: Backend, policy: Policy) -> None:
        self.backend = backend
        self.policy = policy
        self.limits = backend.limits
        self.concurrency = min(
            policy.max_concurrency, backend.limits.concurrency or policy.max_concurrency
        )
        self.width = policy.dimensions or backend.model.dimensions
        self.model_seen: str | None = None
        self._pace = Pace(self.concurrency, rpm=policy.rpm, tpm=policy.tpm)
        self._ask = Asker(backend, timeout=policy.timeout, secrets=policy.secrets).ask
        self._last_success = float("-inf")
        self._bad_in_a_row = 0
        self._said_at = float("-inf")

    @property
    def answered(self) -> bool:
        """Whether any request has had a good answer yet."""
        return self._last_success > 0

    async def run(self, texts: Sequence[object], *, role: Role, instruction: str | None) -> Ran:
        """Embed all texts, however long it takes; never raises for a text's or service's fault.

        Cancelling it makes it return what was finished, with ``stopped`` set.
        """
        began = time.monotonic()
        native = self.backend.takes_instruction
        plan = await self._plan(texts, "" if native or instruction is None else instruction)
        call = _Call(
            plan=plan,
            placement=Placement(plan, normalised=self.backend.model.normalised),
            role=role,
            instruction=instruction if native else None,
            queue=deque(_Part(pieces) for pieces in self._group(plan)),
            workers=asyncio.TaskGroup(),
        )
        try:
            async with call.workers as workers:
                for _ in range(min(self.concurrency, len(call.queue))):
                    workers.create_task(self._work(call))
        except* _Stopped:
            pass
        except* asyncio.CancelledError as cancelled:
            call.stopped = call.stopped or asyncio.CancelledError(*cancelled.args)
        return self._finished(call, len(texts), time.monotonic() - began)

    async def _plan(self, texts: Sequence[object], prefix: str) -> Plan:
        rules = Rules(
            prefix=prefix,
            tokens_per_text=self.limits.tokens_per_text,
            overlong=self.policy.overlong,
            most_tokens=self.backend.most_tokens,
            count_tokens=self.backend.count_tokens,
        )
        characters = 0
        for text in texts:
            characters += len(text) if isinstance(text, str) else 0
            if characters > _INLINE_CHARACTERS:
                return await in_thread(lambda: make_plan(texts, rules))
        return make_plan(texts, rules)

    def _group(self, plan: Plan) -> list[range]:
        return group(plan, self.limits, self.policy.batch_size, self.backend.count_tokens)

    def _finished(self, call: _Call, texts: int, seconds: float) -> Ran:
        unsent: EmbeddingError | None = None
        if call.stopped is not None and call.placement.unfinished:
            cancelled = isinstance(call.stopped, asyncio.CancelledError)
            unsent = (
                EmbeddingError("not finished: the call was cancelled")
                if cancelled
                else (call.stopped if isinstance(call.stopped, EmbeddingError) else None)
            )
        call.placement.normalised = self.backend.model.normalised  # learnt by now, maybe
        vectors, outcomes = call.placement.finish(self.width or 0, unsent)
        usage = Usage(
            texts=texts,
            unique=len(call.plan.pieces),
            requests=call.requests,
            retries=call.retries,
            tokens=call.tokens,
            seconds=seconds,
        )
        return Ran(vectors=vectors, outcomes=outcomes, usage=usage, stopped=call.stopped)

    async def _work(self, call: _Call) -> None:
        while call.queue:
            part = call.queue.popleft()
            if not self._divided_by_limits(call, part):
                await self._deliver(call, part)

    def _divided_by_limits(self, call: _Call, part: _Part) -> bool:
        """Put a part back in pieces, where a limit was learnt since it was planned."""
        limits, plan = self.limits, call.plan
        fits = (
            (limits.items is None or len(part.pieces) <= limits.items)
            and (limits.tokens is None or _sum(plan.tokens, part.pieces) <= limits.tokens)
            and (limits.bytes is None or _sum(plan.sizes, part.pieces) <= limits.bytes)
        )
        if fits or len(part.pieces) == 1:
            return False
        self._halve(call, part, suspect=part.suspect)
        return True

    def _halve(self, call: _Call, part: _Part, *, suspect: bool) -> None:
        """Queue the halves of a part. Its worker goes on with one, a new worker takes one."""
        middle, again = len(part.pieces) // 2, part.again or part.tries > 0
        for half in (part.pieces[middle:], part.pieces[:middle]):
            call.queue.appendleft(_Part(half, suspect, again))
        call.workers.create_task(self._work(call))

    async def _deliver(self, call: _Call, part: _Part) -> None:
        """Send one part until its texts have vectors, are divided further, or have failed."""
        clock = asyncio.get_running_loop().time
        texts = tuple(call.plan.pieces[piece] for piece in part.pieces)
        tokens = _sum(call.plan.tokens, part.pieces)
        while True:
            await self._pace.acquire(tokens)
            part.began = clock() if part.began is None else part.began
            part.tries += 1
            call.requests += 1
            call.retries += part.again or part.tries > 1
            try:
                reply = await self._ask(Batch(texts, call.role, call.instruction))
                vectors = self._checked(reply, len(texts))
            except EmbeddingError as error:
                failure = error
            else:
                self._succeeded(call, part, reply, vectors)
                return
            finally:
                self._pace.release()
            if not await self._handled(call, part, failure, clock() - part.began):
                return

    def _checked(self, reply: Reply, texts: int) -> NDArray[np.float32]:
        asked = self.policy.dimensions
        if asked is None or self.answered:
            return checked(reply, texts, self.width)
        vectors = checked(reply, texts, None)
        if vectors.shape[1] != asked:
            raise ConfigurationError(
                f"EMBEDDING_DIMENSIONS={asked}, but the model answered with vectors of "
                f"{vectors.shape[1]} dimensions: it does not shorten them. Unset it."
            )
        return vectors

    def _succeeded(
        self, call: _Call, part: _Part, reply: Reply, vectors: NDArray[np.float32]
    ) -> None:
        call.placement.put(part.pieces, vectors)
        self.width = vectors.shape[1]
        self.model_seen = self.model_seen or reply.model
        self._last_success = asyncio.get_running_loop().time()
        self._bad_in_a_row = 0
        self._pace.answered(reply.rate)
        if reply.limits is not None:
            self._narrow(reply.limits)
        if call.tokens is not None:
            call.tokens = None if reply.tokens is None else call.tokens + reply.tokens

    async def _handled(self, call: _Call, part: _Part, error: EmbeddingError, spent: float) -> bool:
        """Do what the retry policy says; True where the same part is to be sent again."""
        part.bad_replies += isinstance(error, BadReply)
        self._learn(part, error)
        self._stop_if_hopeless(call, error)
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
                    self._pace.pause(wait)
                else:
                    await asyncio.sleep(wait)
                return True
            case retry.Halve(suspect):
                self._halve(call, part, suspect=suspect)
            case retry.Drop(index, reason):
                call.placement.fail([part.pieces[index]], reason)
                rest = [*part.pieces[:index], *part.pieces[index + 1 :]]
                call.queue.appendleft(_Part(rest, part.suspect, again=True))
            case retry.Fail(reason):
                call.placement.fail(part.pieces, reason)
            case retry.GiveUp(reason):
                call.placement.fail(part.pieces, reason)
                if self._last_success < (part.began or 0.0):
                    self._stop(call, reason)
            case retry.Stop(reason):
                self._stop(call, reason)
        return False

    def _say_waiting(self, error: EmbeddingError, part: _Part, spent: float, wait: float) -> None:
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

    def _learn(self, part: _Part, error: EmbeddingError) -> None:
        """What an error says about the service, beyond its own batch."""
        if isinstance(error, RateLimited | Unavailable):
            self._pace.strained()
        if isinstance(error, BatchTooLarge) and len(part.pieces) > 1:
            said = (error.items, error.tokens, error.bytes)
            items = error.items or (None if any(said) else len(part.pieces) // 2)
            self._narrow(Limits(items=items, tokens=error.tokens, bytes=error.bytes))
        nameless = isinstance(error, TextRejected) and error.index is None
        self._bad_in_a_row += isinstance(error, BadReply) or nameless

    def _narrow(self, learnt: Limits) -> None:
        """Take over limits that a service told of, where they are smaller than those known."""
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
        self.concurrency = min(self.concurrency, learnt.concurrency or self.concurrency)
        self._pace.narrow(self.concurrency)

    def _stop_if_hopeless(self, call: _Call, error: EmbeddingError) -> None:
        """End the call where not one of many requests could be used.

        Looking for one bad text among many by halving would else cost two requests a text
        against a service that is broken as a whole.
        """
        refused, self._bad_in_a_row = self._bad_in_a_row, 0
        if refused <= _HOPELESS + 4 * self.concurrency:
            self._bad_in_a_row = refused
            return
        self._stop(
            call, BadReply(f"{refused} requests in a row had no usable answer; the last: {error}")
        )

    def _stop(self, call: _Call, error: EmbeddingError) -> None:
        call.stopped = call.stopped or error
        raise _Stopped


def _sum(weights: list[int], pieces: Sequence[int]) -> int:
    return sum(weights[piece] for piece in pieces)


def _least(known: int | None, learnt: int | None) -> int | None:
    return min((value for value in (known, learnt) if value), default=None)
