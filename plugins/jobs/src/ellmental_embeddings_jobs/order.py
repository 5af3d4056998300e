"""What the user ordered: which input, which generator, how; the same for ``embed`` and ``plan``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from .dataset import Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ellmental_embeddings import EmbeddingGenerator

    from .asked import Asked
    from .dataset.storage import Store as StoreKind

__all__ = ["Order"]

_DISTS = ("ellmental-embeddings", "ellmental-embeddings-jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the user ordered.

    Attributes:
        asked: what is read, and how.
        generator: its name, or None for what the settings say.
        overwrite: replace a dataset that is there.
        retry_failed: take up again what failed for good in an earlier run.
        store: how vectors are stored.
    """

    asked: Asked
    generator: str | None
    overwrite: bool
    retry_failed: bool
    store: StoreKind

    def manifest(
        self, generator: EmbeddingGenerator, limit: int | None, kept: Sequence[object]
    ) -> Manifest:
        """What a new dataset would begin with.

        Args:
            generator: what makes its vectors.
            limit: tokens of a piece.
            kept: Arrow fields of the columns kept from the input.
        """
        return Manifest(
            generator=generator.name,
            versions={dist: version(dist) for dist in (*_DISTS, generator.dist)},
            settings={**self.asked.settings(limit, kept), "store": self.store},
        )
