"""LOCAL beside the other ways to run the same weights, in one run on this machine.

    python3 tests/benchmarks/local_speed.py              printed
    python3 tests/benchmarks/local_speed.py --write      and into docs/explanation

sentence-transformers, fastembed and onnxruntime by hand, each in a process and a virtual
environment of its own, which are made with the first run (some minutes and 6 GB, from PyPI: PyTorch
is large). All get LOCAL's weights in float32, the same cores and the same texts; they are asked
in turn, so that a busy minute hits all alike. A run takes some five minutes, and wants a machine
with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from environments import environment
from local_peers.table import WORKLOADS, report
from page import put

if TYPE_CHECKING:
    from typing import Self

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "explanation" / "performance.md"
CLIENTS = {  # client -> its file in adapters/; LOCAL's vectors are what the others' are held to
    "local": "local",
    "onnxruntime": "onnxruntime_peer",
    "fastembed": "fastembed_peer",
    "sentence-transformers": "sentence_transformers_peer",
}
LEAST_COSINE = 0.999
_MOST_S = 420


class Client:
    """A process that answers how long a workload took."""

    def __init__(self, name: str, folder: Path, cores: str) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the client
        program = HERE / "local_peers" / "client_process.py"
        self._process = subprocess.Popen(
            [environment(name), program, CLIENTS[name], folder, cores],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.name = name
        self.versions: dict[str, str] = self._answer()

    def run(self, workload: str) -> dict[str, float]:
        """Measure once.

        Raises:
            SystemExit: when it failed, or its vectors are not LOCAL's.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{workload}\n")
        self._process.stdin.flush()
        found: dict[str, float] = self._answer()
        if not found["cosine"] >= LEAST_COSINE:
            raise SystemExit(f"{self.name}, {workload}: cosine {found['cosine']:.5f} to LOCAL's")
        return found

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        limit = Timer(_MOST_S, self._process.kill)
        limit.start()
        try:
            for line in self._process.stdout:
                if line.startswith("RESULT "):
                    return json.loads(line.removeprefix("RESULT "))
        finally:
            limit.cancel()
        self._errors.seek(0)
        raise SystemExit(f"{self.name} ended:\n{self._errors.read()[-2000:]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


def clean_environment() -> dict[str, str]:
    """No setting of this shell's reaches a client: OPENBLAS_CORETYPE alone halves numpy's speed."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    return kept | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}


def measure(clients: list[str], rounds: int, streamed: int) -> dict[str, Any]:
    """Ask all clients for all workloads, in turn; the best of the rounds, the stream once."""
    cores = "-"
    if hasattr(os, "sched_getaffinity"):
        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        prepare = HERE / "local_peers" / "prepare.py"
        subprocess.run(
            [environment("local"), prepare, made, str(streamed)],
            env=clean_environment(),
            check=True,
        )
        running = [stack.enter_context(Client(name, Path(made), cores)) for name in clients]
        counts = {
            workload: len(texts)
            for workload, texts in json.loads((Path(made) / "texts.json").read_text()).items()
        }
        results: dict[str, dict[str, dict[str, float]]] = {name: {} for name in clients}
        for workload in WORKLOADS:
            for _ in range(1 if workload == "stream" else rounds):
                for client in running:
                    found = client.run(workload)
                    say(workload, client.name, found, counts[workload])
                    results[client.name][workload] = best(
                        results[client.name].get(workload, found), found
                    )
    system = f"{platform.system()} {platform.machine()}"
    return {
        "machine": f"{os.cpu_count()} cores, {system}, Python {platform.python_version()}",
        "rounds": rounds,
        "counts": counts,
        "results": results,
        "versions": {dist: v for client in running for dist, v in client.versions.items()},
    }


def best(known: dict[str, float], found: dict[str, float]) -> dict[str, float]:
    """The least of each time and of the cosines; the most memory."""
    return {
        name: (max if name == "peak_mib" else min)(known[name], value)
        for name, value in found.items()
    }


def say(workload: str, client: str, found: dict[str, float], texts: int) -> None:
    """One line a run, while it goes on."""
    rate, cpu = texts / found["wall_s"], found["cpu_s"] / texts * 1e6
    words = f"{rate:8.1f} texts/s, {cpu:7,.0f} us of CPU a text, cosine {found['cosine']:.6f}"
    print(f"{workload:7} {client:22}{words}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, and write where that was asked for."""
    parser = argparse.ArgumentParser(
        prog="local_speed.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clients", default=",".join(CLIENTS), help="local,onnxruntime,...")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--stream", type=int, default=3_000, help="texts of the stream")
    parser.add_argument("--refresh", action="store_true", help="make the environments anew")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    given = parser.parse_args()
    clients = list(dict.fromkeys(["local", *given.clients.split(",")]))
    if unknown := [name for name in clients if name not in CLIENTS]:
        raise SystemExit(f"unknown: {', '.join(unknown)}. There are: {', '.join(CLIENTS)}")
    for name in clients:
        environment(name, refresh=given.refresh)
    text = report(measure(clients, max(1, given.rounds), given.stream))
    print(text)
    if given.write:
        put(PAGE, "local", text)


if __name__ == "__main__":
    main()
