"""One client at one workload, in a process of its own; prints what it took, as JSON.

    python client.py ADAPTER URL KIND TEXTS BATCH WIDTH IN_FLIGHT CORES     CORES: 0,2,3 or -

For ``cold`` see ``cold.py``. Nothing is printed unless every vector is the right one.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory import Sampler, peak_mib
from numbered import check, numbered_texts

if TYPE_CHECKING:
    from collections.abc import Callable


def cpu() -> float:
    """Seconds of CPU of this process so far, all threads, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(run: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """What a run took, and what it returned."""
    began_cpu, began = cpu(), time.perf_counter()
    result = run()
    took = {"wall_s": time.perf_counter() - began, "cpu_s": cpu() - began_cpu}
    return took, result


def measure(adapter: Any, kind: str, texts: int, batch: int, width: int) -> dict[str, Any]:
    """Warm up, run, and check."""
    warm = min(batch, texts)
    check(adapter.many(numbered_texts(warm)), warm, width)
    if kind == "stream":
        return measure_stream(adapter, texts, width)
    wanted = numbered_texts(texts)
    if kind == "single":
        check([adapter.one(text) for text in wanted[:20]], 20, width)
        took, vectors = timed(lambda: [adapter.one(text) for text in wanted])
    else:
        took, vectors = timed(lambda: adapter.many(wanted))
    took["peak_mib"] = peak_mib()
    check(vectors, texts, width)
    return dict(took)


def measure_stream(adapter: Any, texts: int, width: int) -> dict[str, Any]:
    """The same texts by ``stream`` and by ``embed``; memory over time of the stream."""
    blocks = (numbered_texts(min(1000, texts - start), start) for start in range(0, texts, 1000))
    generated = (text for block in blocks for text in block)

    def consume() -> int:
        done = 0
        for place, part in enumerate(adapter.stream(generated)):
            if place % 20 == 0:  # each would take longer than embedding it
                check(part, len(part), width, done)
            if int(part[-1, 0]) != done + len(part) - 1:
                raise SystemExit(f"the stream is out of order at text {done}")
            done += len(part)
        return done

    with Sampler() as sampler:
        streamed, done = timed(consume)
    if done != texts:
        raise SystemExit(f"{done} vectors were streamed for {texts} texts")
    result: dict[str, Any] = {"peak_mib": peak_mib(), "memory": sampler.samples, **streamed}
    wanted = numbered_texts(texts)
    embedded, vectors = timed(lambda: adapter.many(wanted))
    check(vectors, texts, width)
    return {**result, "embed_wall_s": embedded["wall_s"], "embed_cpu_s": embedded["cpu_s"]}


def main() -> None:
    """Be the client that the arguments name."""
    name, url, kind, *numbers, cores = sys.argv[1:]
    texts, batch, width, in_flight = map(int, numbers)
    if cores != "-":
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    sys.path.insert(0, str(Path(__file__).parent / "adapters"))
    module = import_module(name)
    adapter = module.Adapter(url, width, batch, in_flight)
    result = measure(adapter, kind, texts, batch, width)
    adapter.close()
    result["versions"] = {dist: version(dist) for dist in module.DISTS}
    print("RESULT", json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
