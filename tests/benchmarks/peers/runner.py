"""Runs clients at workloads, one after another: the server on one core, the client on the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from environments import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads import Workload

__all__ = ["ADAPTERS", "Refused", "Results", "run", "serving"]

HERE = Path(__file__).parent

Results = dict[str, Any]
"""What one client took at one workload."""

ADAPTERS = {
    "ours": "ours",
    "floor": "floor",
    "baseten": "baseten_peer",
    "openai": "openai_sdk",
    "langchain": "langchain_peer",
    "litellm": "litellm_peer",
    "llama-index": "llama_index_peer",
}
"""Client -> its file in ``adapters/``."""

_KEEPS_LISTS = {"openai", "langchain", "llama-index"}
_MOST_S = 420


class Refused(Exception):
    """A client could not be measured; says why."""


def cores() -> tuple[int, str]:
    """The server's core, and the clients': -1 and ``-`` where there is one core, or no choice."""
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) == 1:
        return -1, "-"
    *others, last = sorted(os.sched_getaffinity(0))
    return last, ",".join(map(str, others))


@contextmanager
def serving(workload: Workload) -> Iterator[str]:
    """The server for a workload, in a process of its own; yields its base URL."""
    facts = map(str, (workload.width, workload.latency_ms, cores()[0]))
    command = [str(environment("floor")), str(HERE / "fast_server.py"), *facts]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        finally:
            server.terminate()


def run(client: str, workload: Workload, url: str) -> Results:
    """Measure once.

    Raises:
        Refused: when it could not, or its vectors were not the right ones.
    """
    if client in _KEEPS_LISTS and workload.needs_gib > available_gib():
        raise Refused(f"needs {workload.needs_gib:g} GiB, {available_gib():.0f} are free")
    server_before = server_cpu(url)
    result = (
        _cold(client, workload, url) if workload.kind == "cold" else _warm(client, workload, url)
    )
    server_took = server_cpu(url) - server_before
    result["server_busy"] = server_took / result["wall_s"] if result.get("wall_s") else None
    return result


def _warm(client: str, workload: Workload, url: str) -> Results:
    numbers = (workload.texts, workload.batch, workload.width, workload.in_flight)
    words = _child(
        client,
        "client.py",
        [ADAPTERS[client], url, workload.kind, *map(str, numbers), cores()[1]],
    )
    found: Results = json.loads(words)
    return found


def _cold(client: str, workload: Workload, url: str) -> Results:
    environment(client)  # before the clock runs: making one takes half a minute
    began = time.monotonic()
    words = _child(client, "cold.py", [ADAPTERS[client], url, str(workload.width), cores()[1]])
    at, cpu, modules = words.split()
    return {"wall_s": float(at) - began, "cpu_s": float(cpu), "modules": int(modules)}


def _child(client: str, file: str, arguments: list[str]) -> str:
    """What a process said after RESULT."""
    quiet = {"PYTHONWARNINGS": "ignore", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    try:
        ran = subprocess.run(
            [environment(client), HERE / file, *arguments],
            env=kept | quiet,
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=_MOST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"not finished after {_MOST_S} s") from None
    for line in ran.stdout.splitlines():
        if line.startswith("RESULT "):
            return line.removeprefix("RESULT ")
    print(ran.stderr[-2000:], file=sys.stderr)
    raise Refused((ran.stderr.strip().splitlines() or ["it ended without a word"])[-1][:200])


def server_cpu(url: str) -> float:
    """Seconds of CPU that the server has used."""
    with urlopen(f"{url}/cpu", timeout=30) as answer:
        return float(answer.read())


def available_gib() -> float:
    """Memory that can be had; as much as one likes where the system does not say."""
    facts = Path("/proc/meminfo")
    if not facts.exists():
        return float("inf")
    line = next(row for row in facts.read_text().splitlines() if row.startswith("MemAvailable"))
    return int(line.split()[1]) / (1 << 20)
