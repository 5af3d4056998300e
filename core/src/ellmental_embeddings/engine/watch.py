"""Looking on while calls run: each batch as soon as it is decided, and a gentle end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import numpy as np
    from numpy.typing import NDArray

    from ..result import Outcome, Usage

__all__ = ["Decided", "Drain", "Watch"]


@dataclass(frozen=True, slots=True)
class Decided:
    """Texts of a call that have their vector, or have failed for good.

    Attributes:
        positions: int64, which texts of the call, ascending.
        vectors: float32, shape (positions, dimensions), NaN rows for failed texts.
        outcomes: per position.
        usage: what the request took that decided them.
    """

    positions: NDArray[np.int64]
    vectors: NDArray[np.float32]
    outcomes: list[Outcome]
    usage: Usage


@dataclass(slots=True)
class Drain:
    """Lets any number of calls run out: what is in flight is awaited, nothing more is sent.

    Used on the engine's loop alone; its attributes may be looked at from anywhere.

    Attributes:
        changed: called when it begins, and when nothing is in flight any more after that.
        begun: whether nothing more is sent.
        asking: requests in flight.
    """

    changed: Callable[[], None]
    begun: bool = False
    asking: int = 0

    def begin(self) -> None:
        """Send nothing from now on."""
        self.begun = True
        self.changed()

    def asked(self) -> None:
        """A request is sent."""
        self.asking += 1

    def answered(self) -> None:
        """A request has ended, well or not, and whoever looks on has taken what it brought."""
        self.asking -= 1
        if self.begun and not self.asking:
            self.changed()


@dataclass(frozen=True, slots=True)
class Watch:
    """What looks on while one call runs.

    Attributes:
        tell: called on the engine's loop with each batch that is decided; returns what is done
            once the batch has been taken. A request counts as in flight until then, so that
            no more texts than those in flight are ever neither unsent nor taken.
        drain: ends this call, and those it is shared with, gently.
    """

    tell: Callable[[Decided], Awaitable[None]]
    drain: Drain
