"""What a call would send, told by the same planning that sends it. Nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..result import Estimate
from .threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..backend import Backend, Role
    from .ask import Asker
    from .cache import Memory
    from .plan import Plan
    from .planning import Planning

__all__ = ["Estimator"]


class Estimator:
    """Plans calls and looks them up, without a backend's ``embed``.

    Args:
        backend: whose texts they would be.
        planning: makes the plans.
        asker: counts tokens.
        memory: the cache, or None.
    """

    def __init__(
        self, backend: Backend, planning: Planning, asker: Asker, memory: Memory | None
    ) -> None:
        self._backend = backend
        self._planning = planning
        self._asker = asker
        self._memory = memory

    async def estimate(
        self, texts: Sequence[object], *, role: Role, instruction: str | None
    ) -> Estimate:
        """What one call would take; its arguments are those of ``Engine.run``.

        Raises:
            PluginError: the backend cannot count.
        """
        native = self._backend.takes_instruction
        plan = await self._planning.plan(texts, "" if native else instruction or "")
        instruction = instruction if native else None
        cached = await self._cached(plan, role, instruction)
        rest = [piece for piece in range(len(plan.pieces)) if piece not in cached]
        batches = await self._planning.batches(plan, rest)
        tokens, exact = await in_thread(lambda: self._tokens(plan, rest))
        over = [outcome.tokens_from is not None for outcome in plan.outcomes.values()]
        failed = [outcome.error is not None for outcome in plan.outcomes.values()]
        return Estimate(
            texts=len(texts),
            unique=len(plan.pieces),
            cached=None if self._memory is not None and not self._memory.ready else len(cached),
            requests=len(batches),
            tokens=tokens,
            exact=exact,
            overlong=sum(over),
            failed=sum(failed),
        )

    async def _cached(self, plan: Plan, role: Role, instruction: str | None) -> set[int]:
        memory = self._memory
        if memory is None or not memory.ready or not plan.pieces:
            return set()
        return await in_thread(lambda: memory.known(plan.pieces, role, instruction))

    def _tokens(self, plan: Plan, pieces: Sequence[int]) -> tuple[int, bool]:
        """Tokens of pieces, and whether they are counted: else their sum is an upper bound."""
        total, exact = 0, True
        for piece in pieces:
            count = self._asker.count_tokens(plan.pieces[piece]) if exact else None
            if count is None:
                exact = False
                count = plan.tokens[piece]
            total += count
        return total, exact
