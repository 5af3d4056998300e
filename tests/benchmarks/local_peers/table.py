"""The results as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = ["WORKLOADS", "report"]

WORKLOADS = {
    "short": "{:,} texts of 6 to 17 words, in one call",
    "long": "{:,} texts of 200 words, or as many as the model takes",
    "mixed": "{:,} texts of 3 to 200 words, half under 12",
    "single": "{:,} texts of 6 to 17 words, one call after another",
    "stream": "{:,} texts as mixed, out of a generator",
}
"""Workload -> what it is, given how many texts."""


def report(document: dict[str, Any]) -> str:
    """All that a run has to say: what was measured, the tables, the target, what ran."""
    return "\n".join(_lines(document))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    counts, results = document["counts"], document["results"]
    for workload, meaning in WORKLOADS.items():
        yield f"- {workload}: {meaning.format(counts[workload])}"
    yield ""
    yield (
        f"{document['machine']}. Every client in its own process on all cores, asked in turn, in "
        f"batches of 64; the best of {document['rounds']} rounds, the stream once. In brackets: "
        "times LOCAL's."
    )
    yield ""
    rates = {
        client: {workload: counts[workload] / row["wall_s"] for workload, row in rows.items()}
        for client, rows in results.items()
    }
    costs = {
        client: {workload: row["cpu_s"] / counts[workload] * 1e6 for workload, row in rows.items()}
        for client, rows in results.items()
    }
    yield from _table("texts a second", rates, lambda value: f"{value:.1f}")
    yield from _table("CPU, us a text", costs, lambda value: f"{value:,.0f}")
    yield from _facts(results)
    yield from _target(rates)
    yield "Versions: " + ", ".join(
        f"{dist} {number}" for dist, number in sorted(document["versions"].items())
    )


def _table(
    title: str, values: dict[str, dict[str, float]], form: Callable[[float], str]
) -> Iterator[str]:
    yield f"| {title} | " + " | ".join(WORKLOADS) + " |"
    yield "|---|" + "--:|" * len(WORKLOADS)
    for client, row in values.items():
        cells = (
            form(row[name]) + ("" if client == "local" else f" ({row[name] / ours:.2f})")
            for name, ours in values["local"].items()
        )
        yield f"| {_shown(client)} | " + " | ".join(cells) + " |"
    yield ""


def _facts(results: dict[str, dict[str, dict[str, float]]]) -> Iterator[str]:
    yield "| | peak, MiB | least cosine to LOCAL's vectors |"
    yield "|---|--:|--:|"
    for client, rows in results.items():
        peak = max(row["peak_mib"] for row in rows.values())
        cosine = min(row["cosine"] for row in rows.values())
        yield f"| {_shown(client)} | {peak:,.0f} | {min(cosine, 1.0):.6f} |"
    yield ""


def _target(rates: dict[str, dict[str, float]]) -> Iterator[str]:
    others = [row for client, row in rates.items() if client != "local"]
    if not others:
        return
    yield "| LOCAL to the fastest other, texts a second | at least | measured | |"
    yield "|---|--:|--:|---|"
    for workload, ours in rates["local"].items():
        ratio = ours / max(row[workload] for row in others)
        holds = "holds" if ratio >= 1 else "**does not hold**"
        yield f"| {workload} | 1.00 | {ratio:.2f} | {holds} |"
    yield ""


def _shown(client: str) -> str:
    return "**LOCAL**" if client == "local" else client
