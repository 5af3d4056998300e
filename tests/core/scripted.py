"""A backend whose every vector can be foretold, and whose faults are scripted."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import numpy as np

from ellmental_embeddings import (
    Backend,
    BackendSettings,
    Batch,
    Limits,
    ModelInfo,
    Reply,
    Variables,
)
from ellmental_embeddings.generator import EmbeddingGenerator
from ellmental_embeddings.settings import build_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import Any

    from numpy.typing import NDArray

    Fault = Callable[["ScriptedBackend", Batch], Awaitable[Reply | None] | Reply | None]

DIMENSIONS = 8


def vector_of(text: str) -> NDArray[np.float32]:
    """The one right vector of a text: its SHA-256 as eight numbers."""
    digest = hashlib.sha256(text.encode()).digest()
    numbers = np.frombuffer(digest, dtype="<u4").astype(np.float64) / 2**32
    return np.asarray(numbers + 0.5, dtype=np.float32)


def vectors_of(texts: Iterable[str]) -> NDArray[np.float32]:
    """The right vectors of texts, shape (texts, 8)."""
    return np.array([vector_of(text) for text in texts], dtype=np.float32).reshape(-1, DIMENSIONS)


class ScriptedBackend(Backend):
    """Answers rightly, except where the fault at the head of its script says otherwise.

    A fault is called with the backend and the batch; it raises, returns a Reply, or returns
    None for the right answer. ``always`` is called for every batch once the script is used up.
    """

    def __init__(
        self,
        settings: BackendSettings,
        *,
        script: Iterable[Fault] = (),
        always: Fault | None = None,
        limits: Limits | None = None,
        model: ModelInfo | None = None,
        takes_instruction: bool = False,
    ) -> None:
        super().__init__(settings)
        self.script = list(script)
        self.always = always
        self.limits = limits or Limits()
        self.model = model or ModelInfo(name="scripted", dimensions=DIMENSIONS, normalised=False)
        self.takes_instruction = takes_instruction
        self.batches: list[Batch] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.closed = 0

    async def embed(self, batch: Batch) -> Reply:
        """One batch, after the fault that the script holds for it."""
        self.batches.append(batch)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            fault = self.script.pop(0) if self.script else self.always
            answer = fault(self, batch) if fault else None
            if asyncio.iscoroutine(answer) or isinstance(answer, asyncio.Future):
                answer = await answer
            return answer if isinstance(answer, Reply) else self.right(batch)
        finally:
            self.in_flight -= 1

    def right(self, batch: Batch) -> Reply:
        """The right answer to a batch."""
        return Reply(vectors_of(batch.texts), tokens=sum(len(text) for text in batch.texts))

    def count_tokens(self, text: str) -> int:
        """A word is a token."""
        return len(text.split())

    def most_tokens(self, text: str) -> int:
        """No text has more words than characters."""
        return len(text)

    async def aclose(self) -> None:
        """Count how often it is called."""
        self.closed += 1

    @property
    def sent(self) -> list[str]:
        """Every text that was sent, in the order of sending."""
        return [text for batch in self.batches for text in batch.texts]


def scripted_generator(
    *, settings: dict[str, Any] | None = None, **script: Any
) -> tuple[EmbeddingGenerator, ScriptedBackend]:
    """A generator over a scripted backend, and the backend to look at."""
    built = build_settings(BackendSettings, Variables(settings or {}), needed_by="SCRIPTED")
    backend = ScriptedBackend(built, **script)
    return EmbeddingGenerator("SCRIPTED", "tests", built, lambda: backend), backend


def pause_forever_after(batches: int) -> Fault:
    """A fault that answers so many batches, then never again."""

    async def fault(backend: ScriptedBackend, batch: Batch) -> None:
        if len(backend.batches) > batches:
            await asyncio.sleep(3600)

    return fault
