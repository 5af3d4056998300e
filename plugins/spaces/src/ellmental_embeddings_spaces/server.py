"""What a server of any kind is to the backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ellmental_embeddings import Limits, ModelInfo

    from .clock import Clock

__all__ = ["Server"]


class Server(Protocol):
    """One endpoint of a server that was found out.

    Attributes:
        about: what it is, in one line for ``ellmental doctor``.
        limits: what it takes at once.
        model: which model it says it has; else the server itself stands for it.
    """

    about: str
    limits: Limits
    model: ModelInfo

    async def vectors(
        self, texts: Sequence[str], instruction: str | None, clock: Clock
    ) -> NDArray[np.float32]:
        """The vectors of texts, in their order: shape (texts, dimensions), not checked yet.

        Args:
            texts: one batch.
            instruction: what to tell the model beside each, or None.
            clock: ends the call; told when the call waits in a queue.
        """
