"""One client in a process of its own: told a workload's name on stdin, it answers with times.

    python client_process.py ADAPTER FOLDER CORES        CORES: 0,2,3 or -

A time is worth nothing before the vectors are right: they are compared with those that LOCAL,
asked first, has left in the folder.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))
sys.path.insert(0, str(Path(__file__).parent / "adapters"))

import numpy as np
from client import timed
from memory import peak_mib

BATCH = 64


def run(adapter: Any, workload: str, texts: list[str]) -> tuple[dict[str, float], Any]:
    """What a workload took, and its vectors."""
    if workload == "single":
        took, parts = timed(lambda: [adapter.many([text]) for text in texts])
    elif workload == "stream":
        took, parts = timed(lambda: list(adapter.stream(iter(texts))))
    else:
        took, parts = timed(lambda: [adapter.many(texts)])
    return took, np.concatenate(parts)


def least_cosine(vectors: Any, path: Path) -> float:
    """To LOCAL's vectors in a file; the first who comes is LOCAL, and writes it."""
    if not path.exists():
        np.save(path, vectors)
    expected = np.load(path)
    if vectors.shape != expected.shape:
        return -1.0
    return float((vectors * expected).sum(axis=1).min())


def main() -> None:
    """Answer until stdin ends."""
    name, folder, cores = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    chosen = [] if cores == "-" else [int(core) for core in cores.split(",")]
    if chosen:
        os.sched_setaffinity(0, chosen)
    module = import_module(name)
    adapter = module.Adapter(folder, BATCH, len(chosen) or os.cpu_count() or 1)
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    adapter.many(texts["short"][:BATCH])  # loads what is loaded when first used
    print("RESULT", json.dumps({dist: version(dist) for dist in module.DISTS}), flush=True)
    for line in sys.stdin:
        workload = line.strip()
        took, vectors = run(adapter, workload, texts[workload])
        cosine = least_cosine(vectors, folder / f"expected-{workload}.npy")
        answer = took | {"cosine": cosine, "peak_mib": peak_mib()}
        print("RESULT", json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
