"""A rate limit that is enforced: so many requests and tokens in any window, 429 beyond."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from server_refusals import Refusal

__all__ = ["RateLimit"]


@dataclass(slots=True)
class _Budget:
    most: int
    window: float
    spent: deque[tuple[float, int]] = field(default_factory=deque)

    def left(self, now: float) -> int:
        while self.spent and self.spent[0][0] <= now - self.window:
            self.spent.popleft()
        return self.most - sum(amount for _, amount in self.spent)

    def wait(self, amount: int, now: float) -> float:
        """Seconds until there is room; a request over the whole budget waits for all of it."""
        missing = min(amount, self.most) - self.left(now)
        for when, spent in self.spent:
            if missing <= 0:
                break
            missing -= spent
            wait = when + self.window - now
            if missing <= 0:
                return wait
        return 0.0

    def reset(self, now: float) -> float:
        return self.spent[-1][0] + self.window - now if self.spent else 0.0


class RateLimit:
    """Requests and tokens per window, and the headers that tell of them.

    Args:
        requests: requests per window; None is without limit (and says 3000).
        tokens: tokens per window; None is without limit (and says 1000000).
        window: seconds; services use 60, tests less.
    """

    def __init__(self, requests: int | None, tokens: int | None, window: float) -> None:
        self._requests = _Budget(requests, window) if requests else None
        self._tokens = _Budget(tokens, window) if tokens else None
        self.refused = 0

    def wait(self, tokens: int, now: float) -> float:
        """Seconds a request with so many tokens comes too early."""
        waits = [self._requests.wait(1, now)] if self._requests else []
        waits += [self._tokens.wait(tokens, now)] if self._tokens else []
        return max(waits, default=0.0)

    def spend(self, tokens: int, now: float) -> None:
        """Count a request that is answered."""
        for budget, amount in ((self._requests, 1), (self._tokens, tokens)):
            if budget is not None:
                budget.spent.append((now, amount))

    def headers(self, now: float) -> dict[str, str]:
        """The ``x-ratelimit`` headers as OpenAI writes them."""
        said = {}
        for name, budget, usual in (
            ("requests", self._requests, 3000),
            ("tokens", self._tokens, 1_000_000),
        ):
            most = budget.most if budget else usual
            left = max(0, budget.left(now)) if budget else usual - 1
            said[f"x-ratelimit-limit-{name}"] = str(most)
            said[f"x-ratelimit-remaining-{name}"] = str(left)
            said[f"x-ratelimit-reset-{name}"] = _duration(budget.reset(now) if budget else 0.02)
        return said

    def refusal(self, wait: float, now: float) -> tuple[Refusal, dict[str, str]]:
        """The 429 of a request that came too early."""
        self.refused += 1
        message = (
            "Rate limit reached for the model in organization org-standin on requests or tokens "
            f"per min. Please try again in {wait:.3f}s."
        )
        headers = {"retry-after-ms": f"{wait * 1000 + 1:.0f}", **self.headers(now)}
        return Refusal(429, message, "tokens", "rate_limit_exceeded"), headers


def _duration(seconds: float) -> str:
    """Seconds as OpenAI writes them: 2ms, 20s, 6m0s."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{int(seconds // 60)}m{seconds % 60:.3f}".rstrip("0").rstrip(".") + "s"
