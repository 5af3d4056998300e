"""What LOCAL's tiles save: all matrix products of the built-in model, for few rows, on one core.

::

    python tests/benchmarks/local_tiles.py [--runs 30]

The least of the runs, both ways in turn. Unset OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE, or set
OPENBLAS_CORETYPE=Haswell to see what tiles cost where OpenBLAS has no kernels for small products.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np

from ellmental_embeddings_local.bert import Bert, Shape
from ellmental_embeddings_local.blas import has_small_kernels, single_threaded_blas
from ellmental_embeddings_local.linear import FEW_ROWS, TILE
from ellmental_embeddings_local.onnx_file import read_onnx
from ellmental_embeddings_local.weights import builtin_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

ROWS = (8, 16, 24, 32, FEW_ROWS, 64, 128)


def main() -> None:
    """Print a line a number of rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    model = Bert.from_tensors(
        read_onnx(builtin_weights()), Shape(layers=6, heads=12, epsilon=1e-12)
    )
    weights = [
        linear.weight
        for layer in model.layers
        for linear in (layer.qkv, layer.output, layer.up, layer.down)
    ]
    tiles = [
        np.ascontiguousarray(weight.reshape(len(weight), -1, TILE).transpose(1, 0, 2))
        for weight in weights
    ]
    print(f"kernels for small products: {has_small_kernels()}; ms for all products")
    print(f"{'rows':>5} {'whole':>7} {'tiles':>7}")
    with single_threaded_blas():
        for rows in ROWS:
            found = [min(both) for both in zip(*_times(rows, weights, tiles, runs), strict=True)]
            print(f"{rows:5} {found[0] * 1e3:7.2f} {found[1] * 1e3:7.2f}")


def _times(
    rows: int, weights: list[Floats], tiles: list[Floats], runs: int
) -> list[tuple[float, float]]:
    """Seconds as wholes and in tiles, run by run."""
    random = np.random.default_rng(rows)
    given = {
        width: random.standard_normal((rows, width), dtype=np.float32)
        for width in {len(weight) for weight in weights}
    }
    found = []
    for _ in range(runs):
        started = time.perf_counter()
        for weight in weights:
            np.matmul(given[len(weight)], weight)
        between = time.perf_counter()
        for tiled in tiles:
            out = np.empty((rows, len(tiled), TILE), np.float32)
            out[...] = np.matmul(given[tiled.shape[1]], tiled).transpose(1, 0, 2)
        found.append((between - started, time.perf_counter() - between))
    return found


if __name__ == "__main__":
    main()
