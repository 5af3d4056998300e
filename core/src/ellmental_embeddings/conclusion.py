"""From what the engine ran to what the user gets: a result, or an error that carries one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from .errors import EmbeddingError, EmbeddingFailed
from .result import Embeddings, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .engine.run import Ran
    from .result import Space

__all__ = ["concluded", "joined", "keep_finished"]

_SHOWN = 5
"""Failed texts that an error message names one by one."""


def concluded(ran: Ran, space: Space, generator: str, *, keep: bool, start: int = 0) -> Embeddings:
    """The result of a call that has ended.

    Args:
        ran: what the engine made of it.
        space: the space of its vectors.
        generator: the generator's name, for messages.
        keep: whether failed texts are kept as NaN rows instead of raised.
        start: position of the first text in its stream, for messages.

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
        raise EmbeddingFailed(_about_failed(result, start), result=result)
    return result


def keep_finished(ended_by: BaseException, ran: Sequence[Ran], space: Space) -> None:
    """Hang what was finished on the exception that ended consecutive calls, as its ``result``.

    Nothing is hung on it where nothing was finished.
    """
    if not ran:
        return
    result = joined([_embeddings(one, space) for one in ran])
    if len(result.failed) < len(result):
        with suppress(AttributeError):  # an exception of somebody else's, with slots
            ended_by.result = result  # type: ignore[attr-defined]


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """One result over the texts of several, in their order. At least one part."""
    width = max(part.dimensions for part in parts)
    vectors = np.full((sum(map(len, parts)), width), np.nan, dtype=np.float32)
    start = 0
    for part in parts:
        if part.dimensions:  # a call that was ended before any answer knows no width
            vectors[start : start + len(part)] = part.vectors
        start += len(part)
    tokens = [part.usage.tokens for part in parts]
    return Embeddings(
        vectors=vectors,
        outcomes=[outcome for part in parts for outcome in part.outcomes],
        usage=Usage(
            texts=sum(part.usage.texts for part in parts),
            unique=sum(part.usage.unique for part in parts),
            requests=sum(part.usage.requests for part in parts),
            retries=sum(part.usage.retries for part in parts),
            tokens=None if None in tokens else sum(count or 0 for count in tokens),
            seconds=max(part.usage.seconds for part in parts),
            cached=sum(part.usage.cached for part in parts),
            hedged=sum(part.usage.hedged for part in parts),
        ),
        space=parts[0].space,
    )


def _embeddings(ran: Ran, space: Space) -> Embeddings:
    return Embeddings(vectors=ran.vectors, outcomes=ran.outcomes, usage=ran.usage, space=space)


def _about_failed(result: Embeddings, start: int) -> str:
    failed = sorted(result.failed.items())
    lines = [f"{len(failed)} of {len(result)} texts failed; the result has the others."]
    if len(failed) == len(result):
        lines = ["The text failed." if len(result) == 1 else f"All {len(result)} texts failed."]
    lines += [f"text {start + position}: {error}" for position, error in failed[:_SHOWN]]
    if len(failed) > _SHOWN:
        lines.append(f"... and {len(failed) - _SHOWN} more, in .result.failed")
    return "\n".join(lines)
