"""A generator for the tests of jobs: cheap, deterministic, and told by variables how to fail."""

from __future__ import annotations

import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from ellmental_embeddings import (
    AuthenticationFailed,
    Backend,
    BackendSettings,
    Batch,
    GeneratorSpec,
    Limits,
    ModelInfo,
    Reply,
    TextRejected,
    hookimpl,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ScriptedSettings(BackendSettings):
    """How the generator behaves."""

    scripted_width: int = Field(default=256, description="Dimensions.")
    scripted_model: str = Field(default="words", description="The model's name.")
    scripted_limit: int | None = Field(default=None, description="Words a text may have.")
    scripted_delay: float = Field(default=0, description="Seconds a request takes.")
    scripted_refuses: str = Field(default="REFUSE", description="Texts with this are refused.")
    scripted_holds: str | None = Field(
        default=None, description="A batch with this in a text waits for the file `release`."
    )
    scripted_stop_after: int | None = Field(default=None, description="Texts until the key fails.")
    scripted_width_known: bool = Field(default=True, description="Whether the width is declared.")
    scripted_learns: bool = Field(
        default=False, description="Whether only answers tell that vectors are not normalised."
    )
    scripted_counts: bool = Field(default=True, description="Whether it can count tokens.")


class ScriptedBackend(Backend):
    """A word is a direction; a text is the sum of its words'. Words are tokens."""

    def __init__(self, settings: ScriptedSettings) -> None:
        self._settings = settings
        self._texts = 0
        self.limits = Limits(tokens_per_text=settings.scripted_limit)
        known = settings.scripted_width_known
        self.model = ModelInfo(
            name=settings.scripted_model, dimensions=settings.scripted_width if known else None
        )

    def embed(self, batch: Batch) -> Reply:
        """Embed, wait, refuse or stop, as told."""
        time.sleep(self._settings.scripted_delay)
        self._hold(batch)
        limit = self._settings.scripted_stop_after
        if limit is not None and self._texts >= limit:
            raise AuthenticationFailed("the key was withdrawn")
        for index, text in enumerate(batch.texts):
            if self._settings.scripted_refuses in text:
                raise TextRejected("the service does not like it", index=index)
        self._texts += len(batch.texts)
        if self._settings.scripted_learns:
            self.model = replace(self.model, normalised=False)
        return Reply(np.stack([self._vector(text) for text in batch.texts]))

    def _hold(self, batch: Batch) -> None:
        held = self._settings.scripted_holds
        if held is None or not any(held in text for text in batch.texts):
            return
        until = time.monotonic() + 60
        while not Path("release").exists() and time.monotonic() < until:
            time.sleep(0.02)

    def count_tokens(self, text: str) -> int | None:
        """Words."""
        return len(text.split()) if self._settings.scripted_counts else None

    def most_tokens(self, text: str) -> int:
        """Characters: no text has more words."""
        return len(text)

    def _vector(self, text: str) -> NDArray[np.float32]:
        vector = np.zeros(self._settings.scripted_width, dtype=np.float32)
        vector[0] = 1e-3  # never a vector of zeros
        for word in text.lower().split()[:64]:
            vector[zlib.crc32(word.encode()) % len(vector)] += 1
        return vector


@hookimpl
def ellmental_generators() -> list[GeneratorSpec]:
    """One generator, SCRIPTED."""
    return [
        GeneratorSpec(
            name="SCRIPTED",
            summary="For tests",
            settings="scripted_generator:ScriptedSettings",
            backend="scripted_generator:ScriptedBackend",
        )
    ]
