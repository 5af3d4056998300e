"""The exact GELU of BERT, x * Phi(x), in few passes over memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .tensors import Floats

__all__ = ["LARGEST_ERROR", "Gelu"]

# Phi(x), the normal distribution's function, is a logistic one of an odd function g(x): Phi(x) =
# 1 / (1 + exp(-g(x))), g(x) = log(Phi(x) / Phi(-x)). g(x) / x is smooth and even, so that a short
# polynomial in x^2 fits it. These coefficients (lowest first, of -g(x) / x) were fitted for the
# least greatest error of x * Phi(x) over |x| <= 5.25 by reweighted least squares; beyond that
# Phi is 0 or 1 to within 8e-8. numpy has no erf, and each term costs two passes over memory.
_COEFFICIENTS = (
    np.float32(-1.5957665),
    np.float32(-0.07267343),
    np.float32(7.006259e-05),
    np.float32(0.000109250024),
    np.float32(-7.754904e-06),
    np.float32(2.5455412e-07),
    np.float32(-3.3111145e-09),
)
_BOUND = np.float32(5.5)

LARGEST_ERROR = 6e-7
"""Against x * Phi(x) in double precision, for |x| <= 8; beyond, relative to |x| / 8."""

_BLOCK = 24_576  # values at a time: four arrays of them stay in a core's own cache


class Gelu:
    """Replaces values by their GELU. Holds work space: one per thread.

    Args:
        columns: width of the matrices to come.
    """

    def __init__(self, columns: int) -> None:
        self._rows = max(1, _BLOCK // columns)
        self._clipped, self._square, self._divisor = np.empty((3, self._rows * columns), np.float32)

    def __call__(self, values: Floats, bias: Floats) -> None:
        """Turn ``values`` into ``gelu(values + bias)`` in place.

        Args:
            values: shape (rows, columns), C-contiguous.
            bias: shape (columns,).
        """
        for start in range(0, len(values), self._rows):
            block = values[start : start + self._rows]
            block += bias
            self._apply(block.reshape(-1))

    def _apply(self, x: Floats) -> None:
        clipped, square = self._clipped[: x.size], self._square[: x.size]
        divisor = self._divisor[: x.size]
        *lower, highest = _COEFFICIENTS
        np.clip(x, -_BOUND, _BOUND, out=clipped)
        np.multiply(clipped, clipped, out=square)
        np.multiply(square, highest, out=divisor)
        for coefficient in reversed(lower[1:]):
            divisor += coefficient
            divisor *= square
        divisor += lower[0]
        divisor *= clipped
        np.exp(divisor, out=divisor)
        divisor += np.float32(1)
        x /= divisor
