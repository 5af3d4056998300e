"""BERT's forward pass in numpy: word pieces -> one vector a text.

The texts of a pass stand one behind the other in a single matrix, (pieces, width), without
padding: everything but attention works on its rows alone, so no row is computed for nothing.
Attention works on runs of texts of one length, of which sorting makes few. Every array is
written into work space allocated once per thread; nearly all the time goes into the matrix
products of the BLAS.
"""

from __future__ import annotations

import threading
from itertools import groupby
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from .activation import Gelu
from .tensors import Quantised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from .bert import Bert, Norm
    from .tensors import Floats
    from .workers import Workers

__all__ = ["Encoder", "Pooling"]

Pooling = Literal["mean", "cls"]
"""How a text's hidden states become its vector: their mean, or the first one."""

PIECES_PER_PASS = 512
"""Most word pieces in one pass (a longer text has a pass of its own). Of 128 to 1,024 this was
the fastest for short texts, by 3 to 10%; long ones do not care. It bounds the work space too."""

LEAST_PIECES = 64
"""A call is not spread over the cores in smaller parts: each reads all the weights."""

_SCORES = 65_536  # attention scores at a time: they stay in a core's own cache
_LARGEST_SCORE = 80.0  # exp of it, times 512 pieces, is still a float32


class _Run(NamedTuple):
    """Texts of one length that stand side by side."""

    start: int  # row of the first piece
    texts: int
    length: int  # pieces of each


class _Space:
    """Work space of one thread for passes of up to so many pieces."""

    def __init__(self, model: Bert, pieces: int) -> None:
        inner = model.layers[0].up.bias.size if model.layers else 1
        self.pieces = pieces
        self.hidden = np.empty((pieces, model.width), np.float32)
        self.other = np.empty((pieces, model.width), np.float32)
        # Queries, keys and values are done with before the feed-forward network begins.
        self.wide = np.empty(pieces * max(inner, 3 * model.width), np.float32)
        self.scores = np.empty(max(_SCORES, pieces * pieces), np.float32)
        self.gelu = Gelu(inner)


class Encoder:
    """Turns word pieces into vectors. Safe to use from several threads at once.

    Args:
        model: the parameters.
        pooling: how hidden states become a vector.
        normalise: whether vectors get length 1.
    """

    def __init__(self, model: Bert, *, pooling: Pooling = "mean", normalise: bool = True) -> None:
        self._model = model
        self._pooling = pooling
        self._normalise = normalise
        self._ones = np.ones(len(model.positions), np.float32)
        self._of_thread = threading.local()

    def encode(self, texts: Sequence[Sequence[int]], workers: Workers | None = None) -> Floats:
        """Vectors of texts, float32, shape (texts, width), in the order of the texts.

        Args:
            texts: ids of each text's word pieces, at least one each.
            workers: who computes, several passes at a time; by default the caller's thread.

        Raises:
            ValueError: when a text has no piece, or more than the model has positions.
        """
        lengths = [len(ids) for ids in texts]
        if texts and not 0 < min(lengths) <= max(lengths) <= len(self._ones):
            raise ValueError(f"a text must have 1 to {len(self._ones)} word pieces")
        vectors = np.empty((len(texts), self._model.width), np.float32)
        passes = list(_passes(lengths, 1 if workers is None else workers.count))

        def run(chosen: list[int]) -> Floats:
            return self._pass([texts[i] for i in chosen])

        results = map(run, passes) if workers is None else workers.map(run, passes)
        for chosen, rows in zip(passes, results, strict=True):
            vectors[chosen] = rows
        return vectors

    def _pass(self, texts: list[Sequence[int]]) -> Floats:
        """Vectors of a few texts, sorted by length."""
        lengths = [len(ids) for ids in texts]
        pieces = sum(lengths)
        space = self._space(pieces)
        hidden = space.hidden[:pieces]
        runs = list(_runs(lengths))
        self._embed(np.concatenate([np.asarray(ids, np.intp) for ids in texts]), runs, hidden)
        for index in range(len(self._model.layers)):
            self._layer(index, hidden, runs, space)
        return self._pool(hidden, np.asarray(lengths))

    def _space(self, pieces: int) -> _Space:
        space: _Space | None = getattr(self._of_thread, "space", None)
        if space is None or space.pieces < pieces:
            space = _Space(self._model, max(pieces, PIECES_PER_PASS))
            self._of_thread.space = space
        return space

    def _embed(self, ids: NDArray[np.intp], runs: list[_Run], out: Floats) -> None:
        """Word, position and segment embeddings, normed: into ``out`` (pieces, width)."""
        words = self._model.words
        out[...] = words.rows(ids) if isinstance(words, Quantised) else words[ids]
        for run in runs:
            rows = out[run.start : run.start + run.texts * run.length]
            by_text = rows.reshape(run.texts, run.length, -1)
            by_text += self._model.positions[: run.length]
        self._norm(out, self._model.norm)

    def _layer(self, index: int, hidden: Floats, runs: list[_Run], space: _Space) -> None:
        """One layer, in place."""
        layer, pieces, width = self._model.layers[index], *hidden.shape
        other = space.other[:pieces]
        qkv = layer.qkv.apply(hidden, space.wide[: pieces * 3 * width].reshape(pieces, -1))
        for run in runs:
            rows = slice(run.start, run.start + run.texts * run.length)
            self._attend(qkv[rows], run, other[rows], space.scores)
        hidden += layer.output.apply(other, space.wide[: pieces * width].reshape(pieces, -1))
        self._norm(hidden, layer.output_norm)
        inner = space.wide[: pieces * layer.up.bias.size].reshape(pieces, -1)
        layer.up.product(hidden, inner)
        space.gelu(inner, layer.up.bias)
        hidden += layer.down.apply(inner, other)
        self._norm(hidden, layer.down_norm)

    def _attend(self, qkv: Floats, run: _Run, out: Floats, space: Floats) -> None:
        """Attention within each text of a run: (rows, 3 x width) -> ``out`` (rows, width)."""
        heads, length = self._model.shape.heads, run.length
        parts = qkv.reshape(run.texts, length, 3, heads, -1).transpose(2, 0, 3, 1, 4)
        queries, keys, values = parts[0], parts[1].swapaxes(-1, -2), parts[2]
        context = out.reshape(run.texts, length, heads, -1).swapaxes(1, 2)
        ones = self._ones[:length]
        for texts, some in _portions(run.texts, heads, length * length):
            some_context = context[texts, some]
            shape = (*some_context.shape[:2], length, length)
            scores = space[: shape[0] * shape[1] * length * length].reshape(shape)
            np.matmul(queries[texts, some], keys[texts, some], out=scores)
            # exp(score) overflows only where a score is far from 0, which is rare: looking is
            # cheaper than subtracting each row's greatest, as is dividing the sums at the end.
            if max(scores.max(), -scores.min()) > _LARGEST_SCORE:
                scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            np.matmul(scores, values[texts, some], out=some_context)
            some_context /= (scores.reshape(-1, length) @ ones).reshape(*shape[:3], 1)

    def _norm(self, hidden: Floats, norm: Norm) -> None:
        """Layer norm of each row, in place."""
        hidden -= hidden.mean(axis=1, keepdims=True)
        spread = np.einsum("ij,ij->i", hidden, hidden)
        spread /= np.float32(hidden.shape[1])
        spread += np.float32(self._model.shape.epsilon)
        np.sqrt(spread, out=spread)
        hidden /= spread[:, None]
        hidden *= norm.gain
        hidden += norm.bias

    def _pool(self, hidden: Floats, lengths: NDArray[np.intp]) -> Floats:
        """One vector a text: (pieces, width) -> (texts, width)."""
        starts = np.cumsum(lengths) - lengths
        if self._pooling == "cls":
            vectors: Floats = hidden[starts]
        else:
            vectors = np.add.reduceat(hidden, starts, axis=0)
            vectors /= lengths[:, None].astype(np.float32)
        if self._normalise:
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def _passes(lengths: Sequence[int], cores: int = 1) -> Iterator[list[int]]:
    """Which texts go into each pass: sorted by length, within PIECES_PER_PASS, one a core."""
    total = sum(lengths)
    share = total / max(1, min(cores, total // LEAST_PIECES))
    chosen: list[int] = []
    pieces, done, ended = 0, 0, 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        is_full = pieces + lengths[index] > PIECES_PER_PASS or done >= share * (ended + 1)
        if chosen and is_full:
            yield chosen
            chosen, pieces, ended = [], 0, ended + 1
        chosen.append(index)
        pieces += lengths[index]
        done += lengths[index]
    if chosen:
        yield chosen


def _runs(lengths: Sequence[int]) -> Iterator[_Run]:
    """Runs of equal lengths."""
    start = 0
    for length, same in groupby(lengths):
        texts = len(list(same))
        yield _Run(start, texts, length)
        start += texts * length


def _portions(texts: int, heads: int, scores: int) -> Iterator[tuple[slice, slice]]:
    """Cut a run into (texts, heads) whose scores fit the work space.

    Args:
        texts: texts of the run.
        heads: attention heads.
        scores: scores of one head of one text.
    """
    some_heads = max(1, min(heads, _SCORES // scores))
    some_texts = max(1, _SCORES // (heads * scores))
    for text in range(0, texts, some_texts):
        for head in range(0, heads, some_heads):
            yield slice(text, text + some_texts), slice(head, head + some_heads)
