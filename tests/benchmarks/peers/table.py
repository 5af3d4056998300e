"""The results as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets import met
from workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from runner import Results

__all__ = ["report"]

COLUMNS: tuple[tuple[str, str, str, Callable[[float, int], str]], ...] = (
    ("W1", "CPU, us a text", "cpu_s", lambda value, texts: f"{value / texts * 1e6:.1f}"),
    ("W1", "peak, MiB", "peak_mib", lambda value, _: f"{value:,.0f}"),
    ("W2", "wall, s", "wall_s", lambda value, _: f"{value:.2f}"),
    ("W3", "CPU, us a text", "cpu_s", lambda value, texts: f"{value / texts * 1e6:.1f}"),
    ("W4", "CPU, us a call", "cpu_s", lambda value, texts: f"{value / texts * 1e6:,.0f}"),
    ("W4", "wall, us a call", "wall_s", lambda value, texts: f"{value / texts * 1e6:,.0f}"),
    ("W5", "wall, ms", "wall_s", lambda value, _: f"{value * 1e3:,.0f}"),
    ("W6", "peak, MiB", "peak_mib", lambda value, _: f"{value:,.0f}"),
)


def report(document: dict[str, Any]) -> str:
    """All that a run has to say: what was measured, the table, the targets, what ran.

    Args:
        document: ``machine``, ``runs``, ``results`` (workload -> client -> results), ``refused``
            (the same, with the reason), as ``__main__.py`` collects them.
    """
    return "\n".join(
        (
            *_about(document),
            "",
            *_table(document["results"]),
            "",
            *_targets(document),
            "",
            *_stream(document["results"]),
            *_notes(document),
        )
    )


def _about(document: dict[str, Any]) -> Iterator[str]:
    for name, results in document["results"].items():
        if results:
            yield f"- {name}: {_meaning(name, document)}"
    yield ""
    yield (
        f"{document['machine']}. The server in a process of its own on the last core, busy for "
        f"{_busiest(document['results']):.0%} of a client's time at most. Least of "
        f"{document['runs']} runs, in turn; one where a run takes over 20 s. In brackets: times "
        "the floor. Every vector was checked."
    )


def _meaning(name: str, document: dict[str, Any]) -> str:
    texts = document["texts"][name]
    whole = WORKLOADS[name]
    shortened = "" if texts == whole.texts else f" (here with {texts:,} texts)"
    return f"{whole.meaning}{shortened}"


def _busiest(results: dict[str, dict[str, Results]]) -> float:
    shares = [
        found.get("server_busy") or 0.0
        for clients in results.values()
        for found in clients.values()
    ]
    return max(shares, default=0.0)


def _table(results: dict[str, dict[str, Results]]) -> Iterator[str]:
    columns = [column for column in COLUMNS if results.get(column[0])]
    if not columns:
        return
    clients = list(dict.fromkeys(client for name, *_ in columns for client in results[name]))
    yield "| client | " + " | ".join(f"{name} {what}" for name, what, *_ in columns) + " |"
    yield "|---|" + "--:|" * len(columns)
    for client in clients:
        cells = [
            _cell(results[name], client, measure, form, WORKLOADS[name].texts)
            for name, _, measure, form in columns
        ]
        shown = f"**{client}**" if client == "ours" else client
        yield f"| {shown} | " + " | ".join(cells) + " |"


def _cell(
    clients: dict[str, Results],
    client: str,
    measure: str,
    form: Callable[[float, int], str],
    texts: int,
) -> str:
    value = clients.get(client, {}).get(measure)
    if value is None:
        return "-"
    floor = clients.get("floor", {}).get(measure)
    ratio = f" ({value / floor:.1f})" if floor and client != "floor" else ""
    return form(value, clients[client].get("texts", texts)) + ratio


def _targets(document: dict[str, Any]) -> Iterator[str]:
    if any(texts < WORKLOADS[name].texts for name, texts in document["texts"].items()):
        yield "A quick run: it says whether everything works, not how fast it is."
        return
    found = list(met(document["results"]))
    if not found:
        return
    yield "| target | at most | measured | |"
    yield "|---|--:|--:|---|"
    for target, ratio in found:
        holds = "holds" if ratio <= target.most else "**does not hold**"
        yield f"| {target.meaning} | {target.most:.2f} | {ratio:.2f} | {holds} |"


def _stream(results: dict[str, dict[str, Results]]) -> Iterator[str]:
    ours = results.get("stream", {}).get("ours")
    if ours is None:
        return
    yield (
        f"`stream`: {ours['texts']:,} texts in {ours['wall_s']:.1f} s ({ours['cpu_s']:.1f} s of "
        f"CPU), `embed` in {ours['embed_wall_s']:.1f} s ({ours['embed_cpu_s']:.1f})."
    )
    if "early_mib" in ours:
        yield (
            f"The stream's memory: {ours['early_mib']:.0f} MiB in its second quarter, "
            f"{ours['late_mib']:.0f} in its last, {ours['peak_mib']:.0f} at its peak."
        )
    yield ""


def _notes(document: dict[str, Any]) -> Iterator[str]:
    for name, clients in document["refused"].items():
        for client, reason in clients.items():
            yield f"Not measured: {client} at {name} ({reason})."
    yield "Versions: " + ", ".join(
        f"{dist} {number}" for dist, number in sorted(document["versions"].items())
    )
