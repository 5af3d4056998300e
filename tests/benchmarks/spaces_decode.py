"""How fast SPACES decodes a large answer, beside json.loads and numpy.

    python tests/benchmarks/spaces_decode.py

Both make the same float32 matrix of the same 20 MB; the ratio is of the best of some runs each,
taken in turn, so that other work on the machine meets both alike.
"""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np

from ellmental_embeddings_spaces.decode import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROWS, WIDTH, RUNS = 1_000, 1_024, 7
PATH = ("output", "data", 0, "data")


def answer() -> bytes:
    """The message of a queue that ends a call: float32 values as long decimals."""
    rows = np.random.default_rng(0).standard_normal((ROWS, WIDTH)).astype(np.float32)
    value = {"headers": [str(column) for column in range(WIDTH)], "data": rows.tolist()}
    return json.dumps({"msg": "process_completed", "output": {"data": [value]}}).encode()


def ours(body: bytes) -> NDArray[np.float32]:
    """As the plugin does it, all checks included."""
    return parse(body).matrix(PATH)


def plain(body: bytes) -> NDArray[np.float32]:
    """As one would write it, without any check."""
    return np.asarray(json.loads(body)["output"]["data"][0]["data"], dtype=np.float32)


def seconds(decode: Callable[[bytes], NDArray[np.float32]], body: bytes) -> float:
    """Time of one decoding."""
    began = time.perf_counter()
    decode(body)
    return time.perf_counter() - began


def peak(decode: Callable[[bytes], NDArray[np.float32]], body: bytes) -> float:
    """Python's own peak memory of one decoding, in multiples of the matrix."""
    tracemalloc.start()
    size = decode(body).nbytes
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / size


def main() -> None:
    """Measure both and print the ratios."""
    body = answer()
    np.testing.assert_array_equal(ours(body), plain(body))
    times = [(seconds(ours, body), seconds(plain, body)) for _ in range(RUNS)]
    fast, slow = (min(column) for column in zip(*times, strict=True))
    print(f"{len(body) / 1e6:.1f} MB, {ROWS} x {WIDTH} numbers")
    print(f"spaces  {fast * 1e3:6.0f} ms  peak {peak(ours, body):4.1f} x the matrix")
    print(f"json    {slow * 1e3:6.0f} ms  peak {peak(plain, body):4.1f} x the matrix")
    print(f"ratio   {slow / fast:6.1f} times as fast")


if __name__ == "__main__":
    main()
