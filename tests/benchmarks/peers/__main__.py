"""OPENAI beside its peers, in one run on this machine.

    python3 tests/benchmarks/peers                       everything, printed
    python3 tests/benchmarks/peers --write               and into docs/explanation
    python3 tests/benchmarks/peers --quick --clients ours,floor

Every client runs in a process and a virtual environment of its own, which are made with the
first run (three minutes, from PyPI). A run of everything takes some twelve minutes, and wants a
machine with nothing else to do; W6 wants 13 GiB for the clients that keep lists of floats.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from environments import environment
from page import put
from runner import ADAPTERS, HERE, Refused, run, serving
from table import report
from workloads import WORKLOADS, quick

if TYPE_CHECKING:
    from runner import Results
    from workloads import Workload

DOCS = HERE.parents[2] / "docs" / "explanation"
PAGE, CHART = DOCS / "performance.md", DOCS / "performance.png"

_LONG_S = 20.0
"""A run that takes longer is not repeated."""


def main() -> None:
    """Measure, print, and write where that was asked for."""
    parser = argparse.ArgumentParser(
        prog="peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help="W1,W4,... or stream")
    parser.add_argument("--clients", default=",".join(ADAPTERS), help="ours,floor,openai,...")
    parser.add_argument("--runs", type=int, default=3, help="the least of so many counts")
    parser.add_argument("--quick", action="store_true", help="a tenth of the texts, one run")
    parser.add_argument("--refresh", action="store_true", help="make the environments anew")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name} and {CHART.name}")
    parser.add_argument("--results", type=Path, help="keep what was measured in this JSON file")
    given = parser.parse_args()
    workloads = [quick(one) if given.quick else one for one in chosen(given.workloads, WORKLOADS)]
    clients = list(chosen(given.clients, {name: name for name in ADAPTERS}))
    for client in {*clients, "floor", *(["chart"] if given.write else [])}:
        environment(client, refresh=given.refresh)
    document = measure(workloads, clients, 1 if given.quick else max(1, given.runs))
    text = report(document)
    print(text)
    if given.results:
        given.results.write_text(json.dumps(document))
    if given.write:
        write(document, text)


def chosen(names: str, known: dict[str, Any]) -> list[Any]:
    """What a list of names stands for.

    Raises:
        SystemExit: naming what there is, where one is unknown.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in known]:
        raise SystemExit(f"unknown: {', '.join(unknown)}. There are: {', '.join(known)}")
    return [known[name] for name in wanted]


def measure(workloads: list[Workload], clients: list[str], runs: int) -> dict[str, Any]:
    """Run all clients at all workloads, in turn, so that a busy minute hits all alike."""
    document: dict[str, Any] = {
        "machine": machine(),
        "runs": runs,
        "texts": {workload.name: workload.texts for workload in workloads},
        "results": {workload.name: {} for workload in workloads},
        "refused": {workload.name: {} for workload in workloads},
        "versions": {},
    }
    for workload in workloads:
        results = document["results"][workload.name]
        refused = document["refused"][workload.name]
        taking_part = [name for name in clients if workload.kind != "stream" or name == "ours"]
        with serving(workload) as url:
            for _ in range(runs):
                for client in taking_part:
                    known = results.get(client)
                    if client in refused or (known and known["wall_s"] > _LONG_S):
                        continue
                    try:
                        found = run(client, workload, url)
                    except Refused as reason:
                        refused[client] = str(reason)
                        continue
                    document["versions"] |= found.pop("versions", {})
                    say(workload, client, found)
                    results[client] = least(known, finished(found, workload))
    return document


def finished(found: Results, workload: Workload) -> Results:
    """The results with what is derived from them."""
    found["texts"] = workload.texts
    sizes = [size for _, size in found.get("memory", [])]
    if len(sizes) > 8:
        quarter = len(sizes) // 4
        found["early_mib"] = median(sizes[quarter : 2 * quarter])
        found["late_mib"] = median(sizes[-quarter:])
    return found


def least(known: Results | None, found: Results) -> Results:
    """The least of each number; the memory over time of the shorter run."""
    if known is None:
        return found
    best = min(known, found, key=lambda one: one["wall_s"])
    return best | {
        name: min(value, found[name])
        for name, value in known.items()
        if isinstance(value, float) and isinstance(found.get(name), float)
    }


def say(workload: Workload, client: str, found: Results) -> None:
    """One line a run, while it goes on."""
    peak = f", {found['peak_mib']:,.0f} MiB" if "peak_mib" in found else ""
    took = f"{found['wall_s']:8.2f} s, {found['cpu_s']:8.2f} s CPU"
    print(f"{workload.name:6} {client:12} {took}{peak}", file=sys.stderr, flush=True)


def machine() -> str:
    """What it ran on; no names."""
    system = f"{platform.system()} {platform.machine()}"
    return f"{os.cpu_count()} cores, {system}, Python {platform.python_version()}"


def write(document: dict[str, Any], text: str) -> None:
    """The report into its place in the page, and the chart beside it."""
    put(PAGE, "measured", f"{text}\n\n![The same as bars, and a stream's memory]({CHART.name})")
    results = CHART.with_suffix(".json.part")
    results.write_text(json.dumps(document), encoding="utf-8")
    try:
        subprocess.run([environment("chart"), HERE / "chart.py", results, CHART], check=True)
    finally:
        results.unlink()


if __name__ == "__main__":
    main()
