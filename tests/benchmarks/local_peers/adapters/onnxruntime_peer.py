"""onnxruntime and ``tokenizers`` by hand, at their best: sorted by length, fused graph."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from local_peers.windows import in_windows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DISTS = ("onnxruntime", "tokenizers")


class Adapter:
    """What fastembed does, with the texts of a window sorted, so that little is padded."""

    def __init__(self, folder: Path, batch: int, cores: int) -> None:
        self._batch = batch
        library = import_module("onnxruntime")
        self._tokenizer = import_module("tokenizers").Tokenizer.from_file(
            str(folder / "tokenizer.json")
        )
        self._tokenizer.enable_padding()
        options = library.SessionOptions()
        options.intra_op_num_threads = cores
        self._session = library.InferenceSession(str(folder / "model.onnx"), options)

    def many(self, texts: list[str]) -> Any:
        """All vectors, as one matrix."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = np.empty((len(texts), 384), np.float32)
        for start in range(0, len(texts), self._batch):
            chosen = order[start : start + self._batch]
            vectors[chosen] = self._pass([texts[i] for i in chosen])
        return vectors

    def stream(self, texts: Iterator[str]) -> Iterator[Any]:
        """Window by window."""
        return in_windows(self.many, texts)

    def _pass(self, texts: list[str]) -> Any:
        encoded = self._tokenizer.encode_batch_fast(texts)
        ids = np.array([one.ids for one in encoded], np.int64)
        mask = np.array([one.attention_mask for one in encoded], np.int64)
        (hidden,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        weights = mask.astype(np.float32)
        sums = np.einsum("bpw,bp->bw", hidden, weights)
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)
