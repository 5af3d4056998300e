"""How fast answers of JSON numbers become a matrix, beside json.loads and numpy.

    python tests/benchmarks/float_decoding.py

Both make the same float32 matrix of the same 20 MB; the ratio is of the best of some runs each,
taken in turn, so that other work on the machine meets both alike.
"""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np

from ellmental_embeddings.decoding import parse
from ellmental_embeddings_openai.answer import Answer, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Decode = Callable[[bytes], NDArray[np.float32]]

ROWS, WIDTH, RUNS = 1_000, 1_024, 7


def rows() -> list[list[float]]:
    """float32 values as servers write them: long decimals."""
    random = np.random.default_rng(0).standard_normal((ROWS, WIDTH))
    decimals: list[list[float]] = random.astype(np.float32).tolist()
    return decimals


def of_a_space() -> bytes:
    """The message of a queue that ends a call."""
    value = {"headers": [str(column) for column in range(WIDTH)], "data": rows()}
    return json.dumps({"msg": "process_completed", "output": {"data": [value]}}).encode()


def of_openai() -> bytes:
    """The answer of a server that imitates OpenAI, and knows no base64."""
    data = [
        {"object": "embedding", "index": place, "embedding": row}
        for place, row in enumerate(rows())
    ]
    return json.dumps({"object": "list", "data": data, "model": "m"}).encode()


def by_spaces(body: bytes) -> NDArray[np.float32]:
    """As SPACES does it, all checks included."""
    return parse(body).matrix(("output", "data", 0, "data"))


def by_openai(body: bytes) -> NDArray[np.float32]:
    """As OPENAI does it, all checks included."""
    found = read_answer(body, ROWS)
    assert isinstance(found, Answer)
    return found.vectors


def plainly_of_a_space(body: bytes) -> NDArray[np.float32]:
    """As one would write it, without any check."""
    return np.asarray(json.loads(body)["output"]["data"][0]["data"], dtype=np.float32)


def plainly_of_openai(body: bytes) -> NDArray[np.float32]:
    """As one would write it, without any check."""
    data = json.loads(body)["data"]
    return np.asarray([item["embedding"] for item in data], dtype=np.float32)


def seconds(decode: Decode, body: bytes) -> float:
    """CPU time of one decoding."""
    began = time.process_time()
    decode(body)
    return time.process_time() - began


def peak(decode: Decode, body: bytes) -> float:
    """Python's own peak memory of one decoding, in multiples of the matrix."""
    tracemalloc.start()
    size = decode(body).nbytes
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / size


def compare(name: str, ours: Decode, plain: Decode, body: bytes) -> None:
    """Measure both and print the ratio."""
    np.testing.assert_array_equal(ours(body), plain(body))
    times = [(seconds(ours, body), seconds(plain, body)) for _ in range(RUNS)]
    fast, slow = (min(column) for column in zip(*times, strict=True))
    print(f"{name}: {len(body) / 1e6:.1f} MB, {ROWS} x {WIDTH} numbers")
    print(f"    ours   {fast * 1e3:6.0f} ms  peak {peak(ours, body):4.1f} x the matrix")
    print(f"    json   {slow * 1e3:6.0f} ms  peak {peak(plain, body):4.1f} x the matrix")
    print(f"    ratio  {slow / fast:6.1f} times as fast")


def main() -> None:
    """Compare both plugins' ways with the plain one."""
    compare("SPACES", by_spaces, plainly_of_a_space, of_a_space())
    compare("OPENAI", by_openai, plainly_of_openai, of_openai())


if __name__ == "__main__":
    main()
