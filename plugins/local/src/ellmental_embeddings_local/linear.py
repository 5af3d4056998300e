"""A linear layer: ``rows @ weight + bias``, fast for many rows and for a single short text."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from .blas import has_small_kernels

if TYPE_CHECKING:
    from .tensors import Floats

__all__ = ["FEW_ROWS", "TILE", "Linear"]

FEW_ROWS = 48
"""Up to so many rows a product takes the tiles; from 64 on they gain nothing."""

TILE = 32
"""Columns of a tile. OpenBLAS has kernels for small products that read the weights where they
are; for larger ones it first copies them, which takes longer than to multiply a few rows. On one
core with AVX-512 all products of all-MiniLM-L6-v2 took 4.6 ms in tiles and 7.1 as wholes for 16
rows, 12.0 and 13.2 for 48 (``tests/benchmarks/local_tiles.py``)."""

_PAYS_AFTER = 8
"""Small products before the tiles are made, which takes as long as they save in so many."""


class Linear:
    """A layer's parameters.

    Args:
        weight: shape (inputs, outputs), C-contiguous.
        bias: shape (outputs,).
    """

    def __init__(self, weight: Floats, bias: Floats) -> None:
        self.weight = weight
        self.bias = bias
        self._tiles: Floats | None = None
        self._small = 0

    def product(self, rows: Floats, out: Floats) -> None:
        """``rows @ weight``, without the bias.

        Args:
            rows: shape (rows, inputs).
            out: shape (rows, outputs), C-contiguous.
        """
        if len(rows) > FEW_ROWS or (tiles := self._tiled()) is None:
            np.matmul(rows, self.weight, out=out)
        else:
            by_tile = out.reshape(len(rows), -1, TILE)
            by_tile[...] = np.matmul(rows, tiles).transpose(1, 0, 2)

    def apply(self, rows: Floats, out: Floats) -> Floats:
        """``rows @ weight + bias`` into ``out``, which is handed back."""
        self.product(rows, out)
        out += self.bias
        return out

    def _tiled(self) -> Floats | None:
        """The weight once more, (tiles, inputs, columns); None where that does not pay."""
        if self._tiles is None:
            self._small += 1  # several threads may count, or make the same tiles: harmless
            inputs, outputs = self.weight.shape
            if self._small <= _PAYS_AFTER or outputs % TILE or not _pays():
                return None
            tiles = self.weight.reshape(inputs, -1, TILE).transpose(1, 0, 2)
            self._tiles = np.ascontiguousarray(tiles)
        return self._tiles


@cache
def _pays() -> bool:
    return has_small_kernels()
