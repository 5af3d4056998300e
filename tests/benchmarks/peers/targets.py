"""What must hold, as ratios within one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner import Results

__all__ = ["TARGETS", "Target", "met"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Our measure is at most so many times another one."""

    meaning: str
    workload: str
    measure: str
    most: float
    of_client: str | None = None
    of_measure: str | None = None


TARGETS = (
    Target(
        meaning="W1: CPU at most 2 times the floor's",
        workload="W1",
        measure="cpu_s",
        most=2.0,
        of_client="floor",
    ),
    Target(
        meaning="W1: CPU at most 0.6 times baseten's",
        workload="W1",
        measure="cpu_s",
        most=0.6,
        of_client="baseten",
    ),
    Target(
        meaning="W1: CPU at most a fifth of langchain's",
        workload="W1",
        measure="cpu_s",
        most=0.2,
        of_client="langchain",
    ),
    Target(
        meaning="W1: CPU at most a fifth of the plain SDK's",
        workload="W1",
        measure="cpu_s",
        most=0.2,
        of_client="openai",
    ),
    Target(
        meaning="W2: wall time at most 1.3 times the floor's",
        workload="W2",
        measure="wall_s",
        most=1.3,
        of_client="floor",
    ),
    Target(
        meaning="W4: CPU a call at most 0.6 times the plain SDK's",
        workload="W4",
        measure="cpu_s",
        most=0.6,
        of_client="openai",
    ),
    Target(
        meaning="W4: no slower than the plain SDK",
        workload="W4",
        measure="wall_s",
        most=1.0,
        of_client="openai",
    ),
    Target(
        meaning="W5: first vector no later than the plain SDK's plus 10%",
        workload="W5",
        measure="wall_s",
        most=1.1,
        of_client="openai",
    ),
    Target(
        meaning="W6: peak memory at most the matrix plus 15%",
        workload="W6",
        measure="peak_mib",
        most=1.15,
    ),
    Target(
        meaning="stream: at most 5% slower than embed",
        workload="stream",
        measure="wall_s",
        most=1.05,
        of_measure="embed_wall_s",
    ),
    Target(
        meaning="stream: memory flat, last quarter at most 5% over the second",
        workload="stream",
        measure="late_mib",
        most=1.05,
        of_measure="early_mib",
    ),
)


def met(results: dict[str, dict[str, Results]]) -> Iterator[tuple[Target, float]]:
    """Each target that was measured, with the ratio found. Workload -> client -> results."""
    for target in TARGETS:
        measured = results.get(target.workload, {})
        ours = measured.get("ours", {})
        other = measured.get(target.of_client or "ours", {})
        value = ours.get(target.measure)
        against = other.get(target.of_measure or target.measure)
        if target.of_client is None and target.of_measure is None:
            against = _matrix_mib(target.workload)
        if value and against:
            yield target, value / against


def _matrix_mib(name: str) -> float:
    workload = WORKLOADS[name]
    return workload.texts * workload.width * 4 / (1 << 20)
