"""A program as a user writes it, to be checked by mypy --strict against the installed wheels."""

from __future__ import annotations

__all__ = ["PROGRAM", "WRONG"]

PROGRAM = """
from collections.abc import AsyncIterator

import numpy as np
from numpy.typing import NDArray

from ellmental_embeddings import (
    Backend,
    BackendSettings,
    Batch,
    EmbeddingFailed,
    GeneratorSpec,
    Limits,
    ModelInfo,
    Outcome,
    Reply,
    hookimpl,
    load_generator,
)


def vectors_of(texts: list[str]) -> NDArray[np.float32]:
    with load_generator("LOCAL", BATCH_SIZE=10) as generator:
        result = generator.embed(texts, role="query", on_error="keep")
        outcomes: tuple[Outcome, ...] = tuple(result.outcomes)
        assert len(outcomes) == len(texts)
        for part in generator.stream(iter(texts)):
            print(len(part), part.space.id, part.usage.requests)
        return result.vectors


async def widths(texts: AsyncIterator[str]) -> list[int]:
    found: list[int] = []
    async with load_generator() as generator:
        try:
            async for part in generator.astream(texts):
                found.append(part.vectors.shape[1])
        except EmbeddingFailed as error:
            print(error.result.failed)
    return found


class Mine(Backend):
    limits = Limits(items=3)
    model = ModelInfo(name="mine", dimensions=2)

    def __init__(self, settings: BackendSettings) -> None:
        self.timeout: float = settings.embedding_timeout

    async def embed(self, batch: Batch) -> Reply:
        return Reply([[float(len(text)), 1.0] for text in batch.texts])


@hookimpl
def ellmental_generators() -> list[GeneratorSpec]:
    return [GeneratorSpec(name="MINE", summary="", settings="mine:S", backend="mine:Mine")]
"""

WRONG = """
from ellmental_embeddings import load_generator

with load_generator() as generator:
    generator.embed(["text"], role="question")
    generator.embed("text").vectors.no_such_attribute
"""
"""What a type checker must find: two errors."""
