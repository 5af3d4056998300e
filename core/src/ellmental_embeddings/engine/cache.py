"""What the engine wants of a cache of vectors, and the keys it asks for.

A key holds everything that decides a vector: the model, its revision, the width asked for, the
role, the instruction, normalisation, and the text as it would be sent, prefix included and cut
already. Where the service names no model, its address and settings stand in for the name.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..backend import ModelInfo
from .threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ..backend import Backend, Role
    from .call import CallState, Part
    from .policy import Policy
    from .service import Service

__all__ = ["Memory", "VectorCache"]

_VERSION = 1
"""Raised when the meaning of a key changes: old entries are then never found again."""

_NUMBER = np.dtype("<f4")

_SEEDS = 64
"""Instructions whose hashes are remembered."""

_INLINE = 16
"""Pieces that are looked up on the event loop itself: a thread costs more than so many hits."""


class VectorCache(Protocol):
    """Keeps bytes under keys of 32 bytes.

    Its methods never raise: what cannot be read is not there, what cannot be written is sent again.
    """

    def find(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes | memoryview]:
        """What it has of these keys. May block: called in a thread, but for a few ``at_once``."""

    def at_once(self) -> bool:
        """Whether ``find`` would wait for nobody now: neither another lookup nor the writer."""

    def put(self, rows: Mapping[bytes, bytes | memoryview]) -> None:
        """Take rows to be kept. Does not block: called on the event loop."""

    def close(self) -> None:
        """Finish what was put."""


class Memory:
    """A cache as the engine uses it: by pieces of a plan.

    What only answers tell of a model (its name, its width, whether its vectors have length 1) is
    kept beside the vectors, so that a call that sends nothing has the same space as the one that
    paid. Where that is missing, no vector is believed.

    Args:
        cache: where vectors are kept.
        policy: what the settings say.
        backend: whose vectors they are.
        service: what is known of it by now.
    """

    def __init__(
        self, cache: VectorCache, policy: Policy, backend: Backend, service: Service
    ) -> None:
        self._cache = cache
        self._policy = policy
        self._backend = backend
        self._service = service
        # As declared before the first answer: the next process begins with the same.
        self._model = backend.model if backend.model.name else None
        self._told: tuple[bytes, ModelInfo | None] = (b"", None)
        self._seeds: dict[tuple[Role, str | None], tuple[bytes, hashlib.blake2b]] = {}

    @property
    def ready(self) -> bool:
        """Whether it is known which model makes the vectors; before that nothing is looked up."""
        return self._model is not None or self._service.answered

    def keys(
        self, pieces: Sequence[str], role: Role, instruction: str | None
    ) -> tuple[bytes, list[bytes]]:
        """The key of what is known of the model, and the key of each piece.

        BLAKE2b-256 over the text, under the identity of what is asked for as BLAKE2b's own key,
        so that no text can imitate another identity.
        """
        about, seed = self._seed(role, instruction)
        keys = []
        for piece in pieces:
            one = seed.copy()
            one.update(piece.encode())
            keys.append(one.digest())
        return about, keys

    def _seed(self, role: Role, instruction: str | None) -> tuple[bytes, hashlib.blake2b]:
        """The identity of what is asked for, and the hash that texts are added to."""
        seed = self._seeds.get((role, instruction))
        if seed is not None:
            return seed
        if self._model is None:
            model, name = self._backend.model, self._service.model
            self._model = replace(model, name=model.name or name)
        asked = {
            "version": _VERSION,
            **asdict(self._model),
            "dimensions": self._policy.dimensions or self._model.dimensions,
            "role": role,
            "instruction": instruction,
            "service": None if self._model.name else self._policy.service,
        }
        spelled = json.dumps(asked, sort_keys=True).encode()
        about = hashlib.blake2b(spelled, digest_size=32).digest()
        if len(self._seeds) >= _SEEDS:
            self._seeds.clear()
        self._seeds[role, instruction] = about, hashlib.blake2b(key=about, digest_size=32)
        return self._seeds[role, instruction]

    async def recall(self, call: CallState) -> None:
        """Place the vectors that the cache has of a call's pieces that have none yet."""
        missing = call.placement.missing()

        def looked_up() -> Mapping[bytes, bytes | memoryview]:
            about, keys = self.keys(call.plan.pieces, call.role, call.instruction)
            call.about, call.keys = about, keys
            return self._cache.find([about, *(keys[piece] for piece in missing)])

        few = len(call.plan.pieces) <= _INLINE and self._cache.at_once()
        found = looked_up() if few else await in_thread(looked_up)
        model = self._model_in(found.get(call.about or b""))
        size = self._bytes_of(model)
        if model is None or not size or call.keys is None:
            return
        known, vectors = [], []
        for piece in missing:
            vector = found.get(call.keys[piece])
            if vector is not None and len(vector) == size:
                known.append(piece)
                vectors.append(vector)
        if known:
            self._service.assume(model)
            # Placed as one block where nothing is missing, as in a second run.
            places = missing if len(known) == len(missing) else known
            matrix = np.frombuffer(b"".join(vectors), dtype=_NUMBER).reshape(len(places), -1)
            call.placement.recall(places, matrix.astype(np.float32, copy=False))

    def known(self, pieces: Sequence[str], role: Role, instruction: str | None) -> set[int]:
        """Which of the pieces ``recall`` would place. Blocks."""
        about, keys = self.keys(pieces, role, instruction)
        found = self._cache.find([about, *keys])
        size = self._bytes_of(self._model_in(found.get(about)))
        return {
            piece
            for piece, key in enumerate(keys)
            if size and (vector := found.get(key)) is not None and len(vector) == size
        }

    def _bytes_of(self, model: ModelInfo | None) -> int:
        """How long a vector must be to be believed; 0 where none is."""
        width = self._service.width or (model and model.dimensions) or 0
        return width * _NUMBER.itemsize if model is not None else 0

    def keep(self, call: CallState, part: Part, vectors: NDArray[np.float32]) -> None:
        """Keep the vectors of one answer, and what is known of the model by now."""
        if call.keys is None or call.about is None:  # nothing was looked up: the first answer
            about, keys = self.keys(call.texts_of(part), call.role, call.instruction)
        else:
            about, keys = call.about, [call.keys[piece] for piece in part.pieces]
        model, width = self._backend.model, vectors.shape[1]
        name = model.name or self._service.model
        learnt = asdict(replace(model, name=name, dimensions=width))
        # A copy: the rows belong to the caller's result.
        content = memoryview(vectors.astype(_NUMBER, copy=False).tobytes())
        size = width * _NUMBER.itemsize
        rows = {key: content[place * size : (place + 1) * size] for place, key in enumerate(keys)}
        self._cache.put({**rows, about: memoryview(json.dumps(learnt).encode())})

    def _model_in(self, stored: bytes | memoryview | None) -> ModelInfo | None:
        """What was kept about the model; read once, however many calls find the same."""
        if stored is None:
            return None
        spelled, model = self._told
        if spelled != stored:
            try:
                model = ModelInfo(**json.loads(bytes(stored)))
            except (ValueError, TypeError):  # a version of this library wrote it that knows more
                return None
            self._told = bytes(stored), model
        return model
