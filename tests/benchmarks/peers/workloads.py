"""What every client is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["WORKLOADS", "Workload", "quick"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One task.

    Attributes:
        name: as in the table.
        kind: ``all`` (every text, many in flight), ``single`` (one after another), ``cold``
            (a new process to its first vector), ``stream`` (the same texts by ``embed`` and by
            ``stream``; ours alone).
        meaning: one line for the table.
        texts, batch, width: how many, how many a request, and the vectors' dimensions.
        latency_ms: how long the server waits before it answers.
        in_flight: requests at a time, where a client lets one choose.
        needs_gib: memory that clients need which keep lists of Python floats.
    """

    name: str
    kind: str
    meaning: str
    texts: int
    batch: int = 50
    width: int = 1536
    latency_ms: float = 0.0
    in_flight: int = 64
    needs_gib: float = 0.0


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            name="W1",
            kind="all",
            meaning="20,000 short texts, batch 50, 1,536 dimensions, no latency",
            texts=20_000,
            needs_gib=1.5,
        ),
        Workload(
            name="W2",
            kind="all",
            meaning="W1 with 100 ms of latency",
            texts=20_000,
            latency_ms=100.0,
            needs_gib=1.5,
        ),
        Workload(
            name="W3",
            kind="all",
            meaning="200,000 texts, batch 2,048, 256 dimensions",
            texts=200_000,
            batch=2_048,
            width=256,
            needs_gib=2.5,
        ),
        Workload(
            name="W4", kind="single", meaning="500 texts, one request after another", texts=500
        ),
        Workload(name="W5", kind="cold", meaning="a new process to its first vector", texts=1),
        Workload(
            name="W6",
            kind="all",
            meaning="200,000 texts, batch 50, 1,536 dimensions: peak memory",
            texts=200_000,
            needs_gib=13.0,
        ),
        Workload(
            name="stream",
            kind="stream",
            meaning="a million texts, batch 256, 256 dimensions, through `stream`",
            texts=1_000_000,
            batch=256,
            width=256,
        ),
    )
}


def quick(workload: Workload) -> Workload:
    """A tenth or less of it: whether everything works, not how fast."""
    most = {"single": 50, "cold": 1}.get(workload.kind, 4_000)
    return replace(workload, texts=min(workload.texts, most), needs_gib=0.0)
