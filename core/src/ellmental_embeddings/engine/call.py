"""The state of one call while it runs: its parts on their way, and how it has fared."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from ..result import Usage
from .hopeless import Hope
from .watch import Decided

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from ..backend import Limits, Role
    from ..errors import EmbeddingError
    from ..result import Outcome
    from .place import Placement
    from .plan import Plan
    from .service import Service
    from .tally import Tally
    from .watch import Watch

__all__ = ["CallState", "Part", "Ran", "Stopped"]

T = TypeVar("T")


class Stopped(Exception):
    """Ends all workers of a call."""


@dataclass(slots=True, eq=False)
class Part:
    """Pieces of a plan on their way: one batch, or what is left of one.

    A range while it is whole, so that its vectors are written with one copy.

    Attributes:
        pieces: which pieces of the plan.
        suspect: True where a bad text is looked for among them.
        again: True where they were sent before, in a larger part.
        before: the limits as they were before a larger part with them was refused for its
            size without a number; restored where one of its texts alone turns out too large.
        tries, bad_replies: requests sent for this part, and how many had a bad reply.
        began: when its first request was sent.
        other: its other half, held back until it is known whether this one has the bad text.
    """

    pieces: Sequence[int]
    suspect: bool = False
    again: bool = False
    before: Limits | None = None
    tries: int = 0
    bad_replies: int = 0
    began: float | None = None
    other: Part | None = None

    def halves(self, *, suspect: bool, before: Limits | None) -> tuple[Part, Part]:
        """Two parts of the same pieces."""
        middle, again = len(self.pieces) // 2, self.again or self.tries > 0
        return (
            Part(self.pieces[:middle], suspect, again, before),
            Part(self.pieces[middle:], suspect, again, before),
        )

    def without(self, index: int) -> Part:
        """The same part without one piece, to be sent again."""
        rest = [*self.pieces[:index], *self.pieces[index + 1 :]]
        return Part(rest, self.suspect, again=True, before=self.before)


@dataclass(slots=True, eq=False)
class CallState:
    """One call.

    Attributes:
        began: when it began, on the loop's clock.
        queue: what waits to be sent.
        workers: what sends it; None before it is sent.
        work: what each of them does.
        hope: whether it is worth going on.
        keys: per piece, its key in the cache; None where none was asked for.
        about: the key in the cache of what is known of the model, or None.
        stopped: what ended it early, else None.
        watch: who is told of each batch, else None.
        tally: where its sums are looked at while it runs, else None.
        in_flight: requests that are being answered now.
        untold: requests, repetitions and tokens that whoever watches was not told of yet.
    """

    plan: Plan
    placement: Placement
    role: Role
    instruction: str | None
    began: float
    queue: deque[Part] = field(default_factory=deque)
    workers: asyncio.TaskGroup | None = None
    work: Callable[[CallState], Coroutine[Any, Any, None]] | None = None
    requests: int = 0
    retries: int = 0
    hedged: int = 0
    tokens: int | None = 0
    hope: Hope = field(default_factory=Hope)
    keys: Sequence[bytes] | None = None
    about: bytes | None = None
    stopped: EmbeddingError | asyncio.CancelledError | None = field(default=None)
    watch: Watch | None = None
    tally: Tally | None = None
    in_flight: int = 0
    untold: tuple[int, int, int | None] = (0, 0, 0)

    def __post_init__(self) -> None:
        if self.tally is not None:
            self.tally.began(self)

    @property
    def draining(self) -> bool:
        """Whether nothing more is to be sent."""
        return self.watch is not None and self.watch.drain.begun

    def asked(self) -> None:
        """A request of this call is sent."""
        self.in_flight += 1
        if self.watch is not None:
            self.watch.drain.asked()

    def answered(self) -> None:
        """A request of this call has ended."""
        self.in_flight -= 1
        if self.watch is not None:
            self.watch.drain.answered()

    def start_worker(self) -> None:
        """Let one more worker send what waits in the queue."""
        assert self.workers is not None
        assert self.work is not None
        self.workers.create_task(self.work(self))

    def stop(self, error: EmbeddingError) -> None:
        """Let it end early, with this error unless it has one: gently where somebody looks on.

        Raises:
            Stopped: through all its workers, where nobody does.
        """
        self.stopped = self.stopped or error
        if self.watch is None:
            raise Stopped
        self.watch.drain.begin()

    def tell(
        self,
        service: Service,
        part: Part | None = None,
        tokens: int | None = 0,
        *,
        held: bool = False,
    ) -> Awaitable[None] | None:
        """Tell who looks on what is decided now, after a part or before the first.

        What came is held back while its width is one answer's word alone: the next may show that
        it was wrong.

        Args:
            service: knows the width, and whether means are to have length 1.
            part: whose answer decided it; None for the plan, and for the cache.
            tokens: what that answer took, where it is known.
            held: whether to tell what is held back, too, since nothing more comes.

        Returns:
            What to wait for until it is taken; None where there is nothing to tell.
        """
        if self.watch is None:
            return None
        if part is not None:
            self._spent(part, tokens)
        if not (held or service.is_sure or self.placement.is_whole):
            return None
        positions, vectors, outcomes = self.placement.take_decided(
            service.width or 0, normalised=service.model_info.normalised
        )
        if not len(positions):
            return None
        now = asyncio.get_running_loop().time()
        usage = self._usage_of(part, len(positions), now)
        return self.watch.tell(Decided(positions, vectors, outcomes, usage))

    def _spent(self, part: Part, tokens: int | None) -> None:
        """A part is over, well or not: its requests are told with the texts decided next."""
        requests, retries, counted = self.untold
        self.untold = (
            requests + part.tries,
            retries + part.tries - (part.tries > 0 and not part.again),
            None if counted is None or tokens is None else counted + tokens,
        )

    def _usage_of(self, part: Part | None, texts: int, now: float) -> Usage:
        """What the requests took that decided some texts; none did the plan's, and the cache's.

        Requests that decided nothing by themselves count with the next texts that are: over a
        whole call each counts once.
        """
        if part is None:
            known = self.placement.recalled
            return Usage(
                texts=texts,
                unique=known,
                requests=0,
                retries=0,
                tokens=0,
                seconds=0.0,
                cached=known,
            )
        requests, retries, tokens = self.untold
        self.untold = (0, 0, 0)
        return Usage(
            texts=texts,
            unique=len(part.pieces),
            requests=requests,
            retries=retries,
            tokens=tokens,
            seconds=now - (now if part.began is None else part.began),
        )

    def texts_of(self, part: Part) -> tuple[str, ...]:
        """What is sent for a part."""
        return tuple(_of(part, self.plan.pieces))

    def tokens_of(self, part: Part) -> int:
        """Upper bound of a part's tokens."""
        return sum(_of(part, self.plan.tokens))

    def fits(self, part: Part, limits: Limits) -> bool:
        """Whether a part keeps limits that may have been learnt after it was planned."""
        return (
            (limits.items is None or len(part.pieces) <= limits.items)
            and (limits.tokens is None or self.tokens_of(part) <= limits.tokens)
            and (limits.bytes is None or sum(_of(part, self.plan.sizes)) <= limits.bytes)
        )


def _of(part: Part, facts: list[T]) -> list[T]:
    """What is known of a part's pieces."""
    pieces = part.pieces
    if isinstance(pieces, range):
        return facts[pieces.start : pieces.stop]
    return [facts[piece] for piece in pieces]


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
