"""sentence-transformers over PyTorch, which sorts by length itself."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from local_peers.windows import in_windows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DISTS = ("sentence-transformers", "torch")


class Adapter:
    """``SentenceTransformer.encode`` on the CPU; PyTorch takes all cores by itself."""

    def __init__(self, folder: Path, batch: int, cores: int) -> None:
        self._batch = batch
        library = import_module("sentence_transformers")
        self._model = library.SentenceTransformer(str(folder), device="cpu")

    def many(self, texts: list[str]) -> Any:
        """All vectors, as one matrix."""
        return self._model.encode(texts, batch_size=self._batch, show_progress_bar=False)

    def stream(self, texts: Iterator[str]) -> Iterator[Any]:
        """Window by window: it has no stream of its own."""
        return in_windows(self.many, texts)
