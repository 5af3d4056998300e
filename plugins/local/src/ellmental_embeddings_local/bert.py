"""The parameters of a BERT encoder, laid out the way the forward pass reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .linear import Linear
from .tensors import Floats, Quantised, WeightsError, as_floats

if TYPE_CHECKING:
    from .tensors import Tensors

__all__ = ["Bert", "Layer", "Norm", "Shape"]

_WORDS = "embeddings.word_embeddings.weight"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model's configuration says and its weights do not.

    Attributes:
        layers: number of layers.
        heads: attention heads; they divide the width evenly.
        epsilon: what the layer norms add to the variance.
    """

    layers: int
    heads: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer norm's gain and bias, each (width,)."""

    gain: Floats
    bias: Floats


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: attention, then the feed-forward network, each with its norm."""

    qkv: Linear  # queries (scaled already), keys and values side by side: one product for three
    output: Linear
    output_norm: Norm
    up: Linear
    down: Linear
    down_norm: Norm


@dataclass(frozen=True, slots=True)
class Bert:
    """All parameters of a model.

    Attributes:
        shape: layers, heads, epsilon.
        words: one row per word piece, (vocabulary, width); stays in eight bits where it came so,
            since a text reads only a few rows of it.
        positions: position and segment embeddings added up, (positions, width).
        norm: of the embeddings.
        layers: from the first to the last.
    """

    shape: Shape
    words: Floats | Quantised
    positions: Floats
    norm: Norm
    layers: tuple[Layer, ...]

    @property
    def width(self) -> int:
        """Width of the hidden states and of the vectors."""
        return int(self.positions.shape[1])

    @property
    def vocabulary(self) -> int:
        """Word pieces it has a row for."""
        return len(self.words.values if isinstance(self.words, Quantised) else self.words)

    @classmethod
    def from_tensors(cls, tensors: Tensors, shape: Shape) -> Bert:
        """Take a checkpoint's tensors, under their PyTorch names with or without a prefix.

        Raises:
            WeightsError: when one is missing or its sides do not fit.
        """
        reader = _Reader(tensors)
        try:
            return reader.bert(shape)
        except KeyError as error:
            raise WeightsError(f"it holds no {error.args[0]}") from None
        except ValueError as error:
            raise WeightsError(f"its weights do not fit together ({error})") from error


class _Reader:
    """Finds tensors by their names within the model."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        # "bert.", "inner.", "0.auto_model.": exporters put different things before the names.
        self._prefix = next(
            (name.removesuffix(_WORDS) for name in tensors if name.endswith(_WORDS)), ""
        )

    def floats(self, name: str) -> Floats:
        return np.array(as_floats(self._tensors[self._prefix + name]), np.float32, order="C")

    def norm(self, name: str) -> Norm:
        return Norm(self.floats(f"{name}.weight"), self.floats(f"{name}.bias"))

    def linear(self, name: str) -> Linear:
        matrix = as_floats(self._tensors[f"{self._prefix}{name}.weight"])
        # Rows of inputs: some 10% faster in OpenBLAS than PyTorch's rows of outputs.
        return Linear(np.array(matrix.T, np.float32, order="C"), self.floats(f"{name}.bias"))

    def qkv(self, name: str, scale: float) -> Linear:
        """Queries, keys and values in one matrix; the queries' scale is multiplied in."""
        query, key, value = (self.linear(f"{name}.{part}") for part in ("query", "key", "value"))
        factor = np.float32(scale)
        return Linear(
            np.concatenate([query.weight * factor, key.weight, value.weight], axis=1),
            np.concatenate([query.bias * factor, key.bias, value.bias]),
        )

    def layer(self, name: str, scale: float) -> Layer:
        return Layer(
            qkv=self.qkv(f"{name}.attention.self", scale),
            output=self.linear(f"{name}.attention.output.dense"),
            output_norm=self.norm(f"{name}.attention.output.LayerNorm"),
            up=self.linear(f"{name}.intermediate.dense"),
            down=self.linear(f"{name}.output.dense"),
            down_norm=self.norm(f"{name}.output.LayerNorm"),
        )

    def bert(self, shape: Shape) -> Bert:
        words = self._tensors[self._prefix + _WORDS]
        if isinstance(words, Quantised):  # copies, so that the file itself can be let go
            words = Quantised(words.values.copy(), words.scale.copy())
        else:
            words = words.copy()
        segment = self.floats("embeddings.token_type_embeddings.weight")[0]
        positions = self.floats("embeddings.position_embeddings.weight") + segment
        if positions.shape[1] % shape.heads:
            raise ValueError(f"{shape.heads} heads do not divide {positions.shape[1]} columns")
        scale = (positions.shape[1] // shape.heads) ** -0.5
        return Bert(
            shape=shape,
            words=words,
            positions=positions,
            norm=self.norm("embeddings.LayerNorm"),
            layers=tuple(self.layer(f"encoder.layer.{i}", scale) for i in range(shape.layers)),
        )
