"""The engine itself: takes one call's texts through plan, pace, backend, check and place."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from ..errors import EmbeddingError
from .ask import Asker
from .call import CallState, Part, Ran, Stopped
from .delivery import Delivery
from .hedge import Hedge
from .ledger import Most
from .pace import Pace, Pacer
from .place import Placement
from .planning import Planning
from .ran import came_to, came_to_nothing
from .service import Service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..backend import Backend, ModelInfo, Role
    from .allowance import Allowance
    from .cache import Memory
    from .estimate import Estimator
    from .policy import Policy
    from .tally import Tally
    from .watch import Watch

__all__ = ["Engine", "Ran"]


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
        self.service = Service(backend, policy.dimensions)
        self._asker = Asker(backend, policy.secrets)
        self._planning = Planning(policy, self.service, self._asker)
        most = Most(policy.rpm, policy.tpm)
        self.pace = Pace(Pacer(self.concurrency, most, allowance))
        self._memory: Memory | None = None
        if policy.cache is not None:
            from .cache import Memory

            self._memory = Memory(policy.cache, policy, backend, self.service)
        self._first_answer = asyncio.Lock()
        hedge = Hedge(self._asker, self.pace, policy.hedge)
        self._delivery = Delivery(policy, self.service, self.pace, hedge, self._memory)

    @property
    def model(self) -> ModelInfo:
        """What is known of the model: by its backend, else by vectors from the cache."""
        return self.service.model_info

    @property
    def estimator(self) -> Estimator:
        """Says what would be sent."""
        from .estimate import Estimator

        return Estimator(self.backend, self._planning, self._asker, self._memory)

    @property
    def concurrency(self) -> int:
        """Most requests in flight that are of use."""
        return self.service.concurrency(self.policy.max_concurrency)

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
            began=asyncio.get_running_loop().time(),
            watch=watch,
            tally=tally,
        )
        call.tell(self.service)  # what the plan alone has decided
        try:
            if self._memory is not None:
                await self._recall(call, self._memory)
            if batches := await self._batches(call):
                await self._delivery.send(call, batches)
        except* Stopped:
            pass
        except* EmbeddingError as broken:  # the shared ledger's file cannot be used any more
            call.stopped = call.stopped or _first(broken)
        except* asyncio.CancelledError as cancelled:
            call.stopped = call.stopped or asyncio.CancelledError(*cancelled.args)
        call.tell(self.service, Part(()), held=True)
        return came_to(
            call,
            texts=len(texts),
            width=self.service.width or 0,
            normalised=self.model.normalised,
            seconds=time.monotonic() - began,
        )

    async def _batches(self, call: CallState) -> list[Sequence[int]]:
        """What is not done yet of a call, in batches."""
        missing = call.placement.missing()
        if not missing:  # all of it came from the cache
            return []
        try:
            return await self._planning.batches(call.plan, missing)
        except EmbeddingError as error:  # a plugin's fault in counting
            call.stop(error)
            return []

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
                    await self._delivery.send(call, (await self._batches(call))[:1])
        if memory.ready:
            await memory.recall(call)
            if told := call.tell(self.service):
                await told


def _first(group: ExceptionGroup[EmbeddingError]) -> EmbeddingError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
