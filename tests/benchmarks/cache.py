"""What a hit in EMBEDDING_CACHE costs beside sending the text: CPU of the client per text.

    python3 tests/benchmarks/cache.py [--texts 5000]

The real generator OPENAI over the real SDK asks a server on 127.0.0.1 that answers at once and
runs in a process of its own: the cheapest service there can be, with no network, no waiting and
no model. Then the same calls are answered from the cache. One text a call, and 50 a request.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openai_transport import WIDTH

from ellmental_embeddings import load_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVER = Path(__file__).with_name("openai_transport.py")


def cost(calls: Sequence[list[str]], cache: Path | None, texts: int, port: int) -> float:
    """Microseconds of CPU a text, all threads of this process."""
    settings: dict[str, Any] = {
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "OPENAI_API_KEY": "none",
        "OPENAI_MODEL": "m",
        "EMBEDDING_DIMENSIONS": WIDTH,
        "BATCH_SIZE": texts,
        "EMBEDDING_CACHE": cache,
    }
    with load_generator("OPENAI", **settings) as generator:
        generator.embed(calls[-1])  # connections, imports
        began = time.process_time()
        for call in calls[:-1]:
            generator.embed(call)
        spent = time.process_time() - began
    return spent / sum(len(call) for call in calls[:-1]) * 1e6


def compare(number: int, texts_a_call: int, texts_a_request: int, cache: Path) -> tuple[float, ...]:
    """Costs of sending, of sending and keeping, and of a hit."""
    texts = [f"text {place} " + "of some words " * 12 for place in range(number + texts_a_call)]
    calls = [texts[start : start + texts_a_call] for start in range(0, len(texts), texts_a_call)]
    command = [sys.executable, str(SERVER), "--part", "serve", str(texts_a_request), ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            return tuple(
                min(cost(calls, where, texts_a_request, port) for _ in range(repeats))
                for where, repeats in ((None, 2), (cache, 1), (cache, 2))
            )
        finally:
            server.terminate()


def main() -> None:
    """Print one line for each way to call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=5000)
    number = parser.parse_args().texts
    print(f"OPENAI over 127.0.0.1, {WIDTH} dimensions, us of CPU a text")
    ways = (("1 text a call", 1, 1), ("2,000 texts a call, 50 a request", 2000, 50))
    requests, hits = [], []
    for name, texts_a_call, texts_a_request in ways:
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder, "cache")
            sent, kept, hit = compare(number, texts_a_call, texts_a_request, cache)
        requests.append(sent * texts_a_request)
        hits.append(hit)
        print(f"{name:34} sent {sent:7.1f}   sent and kept {kept:7.1f}   from the cache {hit:6.1f}")
    print(f"cheapest service call (one request, one text): {min(requests):.0f} us")
    print(f"a hit beside it, one of many in a call:  {hits[1] / min(requests):.3f}")
    print(f"a hit beside it, a whole call for one:   {hits[0] / min(requests):.3f}")


if __name__ == "__main__":
    main()
