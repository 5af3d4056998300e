"""Plans and batches of a call, made where they do not hold up the event loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .plan import Rules, group, make_plan
from .threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .ask import Asker
    from .plan import Plan
    from .policy import Policy
    from .service import Service

__all__ = ["Planning"]

_INLINE_CHARACTERS = 200_000
"""Plans of longer input are made in a thread, so that the loop keeps answering others."""


@dataclass(frozen=True, slots=True)
class Planning:
    """Makes plans by the settings, and by what is known of the service by now.

    Its methods raise PluginError where the backend cannot count.
    """

    policy: Policy
    service: Service
    asker: Asker

    async def plan(self, texts: Sequence[object], prefix: str) -> Plan:
        """Texts to pieces."""
        rules = Rules(
            prefix=prefix,
            tokens_per_text=self.service.limits.tokens_per_text,
            overlong=self.policy.overlong,
            most_tokens=self.asker.most_tokens,
            count_tokens=self.asker.count_tokens,
        )
        characters = 0
        for text in texts:
            characters += len(text) if isinstance(text, str) else 0
            if characters > _INLINE_CHARACTERS:
                return await in_thread(lambda: make_plan(texts, rules))
        return make_plan(texts, rules)

    async def batches(self, plan: Plan, pieces: Sequence[int]) -> list[Sequence[int]]:
        """Some of a plan's pieces, in batches."""
        limits, size = self.service.limits, self.policy.batch_size
        if (tpm := self.policy.tpm) is not None:  # a request over the whole budget never fits
            limits = replace(limits, tokens=min(limits.tokens or tpm, tpm))

        def grouped() -> list[Sequence[int]]:
            return group(plan, limits, size, self.asker.count_tokens, pieces)

        long = sum(plan.sizes) > _INLINE_CHARACTERS
        return await in_thread(grouped) if long else grouped()
