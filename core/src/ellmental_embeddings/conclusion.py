"""From what the engine ran to what the user gets: a result, or an error that carries one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .errors import EmbeddingError, EmbeddingFailed
from .result import Embeddings

if TYPE_CHECKING:
    from .engine.run import Ran
    from .result import Space

__all__ = ["concluded", "keep_finished"]

_SHOWN = 5
"""Failed texts that an error message names one by one."""


def concluded(ran: Ran, space: Space, generator: str, *, keep: bool) -> Embeddings:
    """The result of a call that has ended.

    Raises:
        EmbeddingFailed: some texts failed, unless ``keep``.
        EmbeddingError: the error that ended the call, with what succeeded in ``.result``.
    """
    result = _embeddings(ran, space)
    if isinstance(ran.stopped, asyncio.CancelledError):
        raise EmbeddingError(f"the generator {generator} was closed during the call")
    if ran.stopped is not None:
        if len(result.failed) < len(result):
            ran.stopped.result = result
        raise ran.stopped
    if result.failed and not keep:
        raise EmbeddingFailed(_about_failed(result), result=result)
    return result


def keep_finished(ended_by: BaseException, ran: Ran, space: Space) -> None:
    """Hang what was finished on the KeyboardInterrupt or CancelledError that ended a call."""
    ended_by.result = _embeddings(ran, space)  # type: ignore[attr-defined]


def _embeddings(ran: Ran, space: Space) -> Embeddings:
    return Embeddings(vectors=ran.vectors, outcomes=ran.outcomes, usage=ran.usage, space=space)


def _about_failed(result: Embeddings) -> str:
    failed = sorted(result.failed.items())
    lines = [f"{len(failed)} of {len(result)} texts failed; the result has the others."]
    lines += [f"text {position}: {error}" for position, error in failed[:_SHOWN]]
    if len(failed) > _SHOWN:
        lines.append(f"... and {len(failed) - _SHOWN} more, in .result.failed")
    return "\n".join(lines)
