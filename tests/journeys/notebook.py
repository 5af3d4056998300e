"""Progress bars in a real Jupyter kernel, whose event loop runs: each call's bar is looked at.

    python3 tests/journeys/notebook.py

Makes an environment with nbclient, ipykernel, ipywidgets and tqdm with the first run (a minute,
from PyPI), runs a notebook that embeds 5,000 texts with LOCAL (half a minute), and prints each bar
as it ended. Fails where a cell raises or warns, a bar does not end full, or a call has not one bar.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "peers"))

START = """
import asyncio, warnings
warnings.simplefilter("error")
warnings.simplefilter("ignore", PendingDeprecationWarning)  # ipykernel's own, as it ends
from ellmental_embeddings import load_generator, tqdm_progress
assert asyncio.get_running_loop().is_running()
texts = [f"text number {number}" for number in range(5000)]
generator = load_generator("LOCAL")
"""

CALLS = (
    "len(generator.embed(texts[:2000], progress=True))",
    "len(await generator.aembed(texts[2000:3000], progress=True))",
    "sum(len(part) for part in generator.stream(iter(texts[3000:4000]), progress=True))",
    "sum([len(part) async for part in generator.astream(texts[4000:], progress=tqdm_progress())])",
    "len(generator.embed(['good', ' '], progress=True, on_error='keep'))",
)
"""Cells: each shows one bar, and how many texts it was for."""


def look_at(cell: Any, widgets: dict[str, Any]) -> str:
    """What a cell's bar says in the end.

    Raises:
        SystemExit: it has not one bar that is full, or printed something else.
    """
    kinds = [output["output_type"] for output in cell.outputs]
    if kinds != ["display_data", "execute_result"]:
        raise SystemExit(f"{cell.source}\n  has not one bar and a result, but {cell.outputs}")
    shown, result = (output["data"] for output in cell.outputs)
    box = widgets[shown["application/vnd.jupyter.widget-view+json"]["model_id"]]["state"]
    parts = [widgets[child.removeprefix("IPY_MODEL_")]["state"] for child in box["children"]]
    (bar,) = (part for part in parts if "bar_style" in part)
    words = " ".join(str(part["value"]) for part in parts if part is not bar)
    if bar["bar_style"] != "success" or bar["value"] != bar["max"]:
        raise SystemExit(f"{cell.source}\n  its bar ended at {bar['value']} of {bar['max']}")
    if f"{result['text/plain']}/" not in words:
        raise SystemExit(f"{cell.source}\n  {result['text/plain']} texts, but the bar says {words}")
    return words.replace("&lt;", "<")


def run() -> None:
    """Within the environment: run the notebook and look at it."""
    nbformat, client = import_module("nbformat"), import_module("nbclient").NotebookClient
    cells = [nbformat.v4.new_code_cell(source) for source in (START, *CALLS)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client(notebook, timeout=300, kernel_name="python3").execute()
    if cells[0].outputs:
        raise SystemExit(f"loading says {cells[0].outputs}")
    kept = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    for cell in cells[1:]:
        print(f"{cell.source}\n  {look_at(cell, json.loads(json.dumps(kept)))}")


def main() -> None:
    """Make the environment and go into it."""
    from environments import environment

    ran = subprocess.run([environment("notebook"), __file__, "inside"], check=False)
    raise SystemExit(ran.returncode)


if __name__ == "__main__":
    if sys.argv[1:] == ["inside"]:
        run()
    else:
        main()
