"""fastembed with a model of one's own: batches in the order given, padded."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

DISTS = ("fastembed", "onnxruntime")

_NAME = "local/all-MiniLM-L6-v2"


class Adapter:
    """``TextEmbedding.embed``, all cores given to onnxruntime."""

    def __init__(self, folder: Path, batch: int, cores: int) -> None:
        self._batch = batch
        library = import_module("fastembed")
        described = import_module("fastembed.common.model_description")
        library.TextEmbedding.add_custom_model(
            model=_NAME,
            pooling=described.PoolingType.MEAN,
            normalization=True,
            sources=described.ModelSource(hf=_NAME),
            dim=384,
            model_file="model.onnx",
        )
        self._model = library.TextEmbedding(
            _NAME, specific_model_path=str(folder), threads=cores, local_files_only=True
        )

    def many(self, texts: list[str]) -> Any:
        """All vectors, as one matrix."""
        return np.array(list(self._vectors(texts)))

    def stream(self, texts: Iterator[str]) -> Iterator[Any]:
        """Its vectors come one by one, as they are computed."""
        for vector in self._vectors(texts):
            yield vector[None, :]

    def _vectors(self, texts: Iterable[str]) -> Iterable[Any]:
        found: Iterable[Any] = self._model.embed(texts, batch_size=self._batch)
        return found
