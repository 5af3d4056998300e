"""LOCAL's backend: embeds a batch inside this process."""

from __future__ import annotations

import os
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ellmental_embeddings import (
    Backend,
    Batch,
    BatchTooLarge,
    ConfigurationError,
    Limits,
    ModelInfo,
    Reply,
    TextTooLong,
)

from .blas import single_threaded_blas
from .hub import download, is_hub_id
from .model import LocalModel, builtin_model
from .model_folder import folder_model
from .workers import Workers

if TYPE_CHECKING:
    from .encoder import Encoder
    from .settings import LocalSettings
    from .wordpiece import WordPiece

__all__ = ["LocalBackend"]

# Small requests: some 0.5 s on one core of 2022. So a call with fifty long texts keeps all cores
# busy, Ctrl-C is heard soon, and no machine is so slow as to near EMBEDDING_TIMEOUT. Larger
# ones would be no faster, since a pass holds 512 word pieces anyway.
_ITEMS = 1_024
_TOKENS = 2_048


class LocalBackend(Backend):
    """Runs a model in worker threads of this process, each batch on all cores.

    Building it is cheap: weights are loaded with the first batch, a hub id is resolved with
    the first look at ``limits`` or ``model``.

    Args:
        settings: LOCAL_MODEL, and the core's.

    Raises:
        ConfigurationError: when LOCAL_MODEL or EMBEDDING_DIMENSIONS cannot work.
    """

    def __init__(self, settings: LocalSettings) -> None:
        super().__init__(settings)
        self._choice = settings.local_model
        self._dimensions = settings.embedding_dimensions
        self._lock = threading.RLock()
        self._encoder: Encoder | None = None
        self._workers = Workers(_usable_cores())
        if not (self._choice and _is_remote(self._choice)):
            self._model  # noqa: B018 - a wrong folder or width is told of at once

    @cached_property
    def limits(self) -> Limits:  # type: ignore[override]  # known once the model is
        """What one call takes; one in flight per core is of use, and one that is read meanwhile."""
        return Limits(
            items=_ITEMS,
            tokens=_TOKENS,
            tokens_per_text=self._model.tokens_per_text,
            concurrency=self._workers.count + 1,
        )

    @cached_property
    def model(self) -> ModelInfo:  # type: ignore[override]  # a folder's checksum takes a moment
        """Which model runs, its weights' checksum included."""
        return ModelInfo(
            name=self._model.name,
            revision=self._model.revision(),
            dimensions=self._model.dimensions,
            normalised=self._model.normalised,
        )

    def count_tokens(self, text: str) -> int:
        """Exact number of word pieces, ``[CLS]`` and ``[SEP]`` included."""
        return self._tokenizer.count(text)

    def most_tokens(self, text: str) -> int:
        """Upper bound of ``count_tokens``, without reading the text."""
        return self._tokenizer.most(text)

    def embed(self, batch: Batch) -> Reply:
        """Vectors of a batch: float32, shape (texts, dimensions), in the order of its texts.

        Raises:
            TextTooLong: when a text has more word pieces than the model takes.
            BatchTooLarge: when the batch is over ``limits``.
            ConfigurationError: when the model's files cannot be used.
        """
        texts = [self._tokenizer.ids(text) for text in batch.texts]
        self._check(texts)
        encoder = self._load()
        with single_threaded_blas():
            vectors = encoder.encode(texts, self._workers)
        return Reply(vectors, tokens=sum(map(len, texts)))

    async def aclose(self) -> None:
        """Let go of the weights and threads; a later ``embed`` has new ones."""
        self._encoder = None
        self._workers.close()

    @cached_property
    def _model(self) -> LocalModel:
        with self._lock:
            model = _chosen(self._choice)
        if self._dimensions not in {None, model.dimensions}:
            raise ConfigurationError(
                f"EMBEDDING_DIMENSIONS={self._dimensions}: {model.name} makes vectors of "
                f"{model.dimensions} numbers and cannot make shorter ones. Unset "
                f"EMBEDDING_DIMENSIONS, or set it to {model.dimensions}."
            )
        return model

    @cached_property
    def _tokenizer(self) -> WordPiece:
        # Two threads may both load it: harmless, and cheaper than a lock for every text.
        return self._model.tokenizer()

    def _load(self) -> Encoder:
        """The encoder; of several first calls one loads it and the others wait."""
        encoder = self._encoder
        if encoder is None:
            with self._lock:
                encoder = self._encoder = self._encoder or self._model.encoder()
        return encoder

    def _check(self, texts: list[list[int]]) -> None:
        longest = self._model.tokens_per_text
        for index, ids in enumerate(texts):
            if len(ids) > longest:
                raise TextTooLong(
                    f"the text has {len(ids)} tokens, {self._model.name} takes {longest}. Set "
                    "EMBEDDING_OVERLONG to truncate or average, or split the text",
                    index=index,
                )
        if len(texts) > _ITEMS or sum(map(len, texts)) > max(_TOKENS, longest):
            raise BatchTooLarge(
                f"LOCAL takes {_ITEMS} texts and {_TOKENS} tokens at once",
                items=_ITEMS,
                tokens=_TOKENS,
            )


def _is_remote(choice: str) -> bool:
    """Whether LOCAL_MODEL names a model of the hub: an existing folder always wins."""
    return is_hub_id(choice) and not Path(choice).expanduser().exists()


def _chosen(choice: str | None) -> LocalModel:
    """The model that LOCAL_MODEL names."""
    if not choice:
        return builtin_model()
    if _is_remote(choice):
        return folder_model(download(choice), name=choice)
    try:
        folder = Path(choice).expanduser()
        found = "" if folder.is_dir() else "not a folder" if folder.exists() else "no such folder"
    except (RuntimeError, OSError, ValueError) as error:  # ~nobody; a name that is too long
        found = getattr(error, "strerror", None) or str(error)
    if found:
        raise ConfigurationError(
            f"LOCAL_MODEL={choice}: {found.rstrip('.')}. "
            "Set it to a folder with a sentence-transformers BERT model, or to the id of one on "
            "the Hugging Face hub (owner/name), or unset it to use the built-in model."
        )
    return folder_model(folder)


def _usable_cores() -> int:
    """Cores this process may run on, which containers and ``taskset`` limit."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
