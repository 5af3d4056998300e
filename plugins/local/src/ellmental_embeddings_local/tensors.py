"""What a file of weights holds: named arrays, some of them kept in eight bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Quantised", "Tensor", "Tensors", "WeightsError", "as_floats"]

Floats: TypeAlias = NDArray[np.float32]


class WeightsError(Exception):
    """A file of weights cannot be read, or is not of a model that can be run."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """A matrix in eight bits: each value stands for ``values * scale``.

    Attributes:
        values: int8, shape (rows, columns).
        scale: float32, broadcast over ``values``: shape (rows, 1) or (1, columns).
    """

    values: NDArray[np.int8]
    scale: Floats

    @property
    def T(self) -> Quantised:  # noqa: N802 - as numpy spells it
        """The transposed matrix, without a copy."""
        return Quantised(self.values.T, self.scale.T)

    def rows(self, ids: NDArray[np.intp]) -> Floats:
        """Some rows at full precision, shape (ids, columns)."""
        return self.values[ids] * self.scale[ids]


Tensor: TypeAlias = "Floats | Quantised"
Tensors: TypeAlias = dict[str, Tensor]


def as_floats(tensor: Tensor) -> Floats:
    """A tensor as float32, of the same shape."""
    if isinstance(tensor, Quantised):
        return tensor.values * tensor.scale
    return tensor.astype(np.float32, copy=False)
