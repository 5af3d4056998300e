"""Draws the results: how many times the floor, and a stream's memory over time.

python chart.py RESULTS.json CHART.png       in the environment `chart`
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from table import COLUMNS

_OURS, _OTHERS = "#0b6e4f", "#b8c4cc"


def draw(document: dict[str, Any], file: Path) -> None:
    """One panel a column of the table, and one for the stream where it was measured."""
    import_module("matplotlib").use("Agg")
    pyplot = import_module("matplotlib.pyplot")
    results = document["results"]
    columns = [column for column in COLUMNS if results.get(column[0])]
    panels = len(columns) + bool(results.get("stream"))
    rows = -(-panels // 3)
    figure, axes = pyplot.subplots(rows, 3, figsize=(13, 2.9 * rows), squeeze=False)
    for axis, (name, what, measure, form) in zip(axes.flat, columns, strict=False):
        _bars(axis, results[name], measure, form)
        axis.set_title(f"{name}: {what}", fontsize=10, loc="left")
    spare = list(axes.flat)[len(columns) :]
    if results.get("stream"):
        _memory(spare.pop(0), results["stream"]["ours"])
    for axis in spare:
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(file, dpi=90)


def _bars(axis: Any, clients: dict[str, Any], measure: str, form: Any) -> None:
    found = {name: one[measure] for name, one in clients.items() if one.get(measure) is not None}
    names = sorted(found, key=found.__getitem__, reverse=True)
    values = [found[name] for name in names]
    colours = [_OURS if name == "ours" else _OTHERS for name in names]
    bars = axis.barh(names, values, color=colours)
    texts = next(iter(clients.values()))["texts"]
    axis.bar_label(bars, [f" {form(value, texts)}" for value in values], fontsize=8)
    axis.set_xlim(0, max(values) * 1.2)
    axis.set_xticks([])
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right", "bottom"]].set_visible(False)


def _memory(axis: Any, ours: dict[str, Any]) -> None:
    seconds = [when for when, _ in ours["memory"]]
    axis.plot(seconds, [size for _, size in ours["memory"]], color=_OURS)
    axis.set_ylim(0)
    axis.set_title("stream: resident MiB over seconds", fontsize=10, loc="left")
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
