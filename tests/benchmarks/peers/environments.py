"""A virtual environment for each client, made once and kept between runs.

They lie in ``peers`` under ELLMENTAL_TEST_CACHE, by default ~/.cache/ellmental-tests; 50 to 400 MB
each. Remove a folder, or give ``--refresh``, to have the newest versions.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

__all__ = ["CLIENTS", "environment"]

ROOT = Path(__file__).resolve().parents[3]

CLIENTS: dict[str, tuple[str, ...]] = {
    "ours": ("-e", str(ROOT / "core"), "-e", str(ROOT / "plugins" / "openai")),
    "floor": ("aiohttp", "pybase64", "numpy"),
    "baseten": ("baseten-performance-client", "numpy"),
    "openai": ("openai", "numpy"),
    "langchain": ("langchain-openai", "numpy"),
    "litellm": ("litellm", "numpy"),
    "llama-index": ("llama-index-embeddings-openai", "numpy"),
    "haystack": ("haystack-ai",),
    "llm": ("llm",),
    "chart": ("matplotlib",),
    "local": (
        *("-e", str(ROOT / "core"), "-e", str(ROOT / "plugins" / "local")),
        *("onnx", "tokenizers", "safetensors"),
    ),
    "notebook": (
        *("-e", str(ROOT / "core"), "-e", str(ROOT / "plugins" / "local")),
        *("nbclient", "ipykernel", "ipywidgets", "tqdm"),
    ),
    "onnxruntime": ("onnxruntime", "tokenizers", "numpy"),
    "fastembed": ("fastembed",),
    "sentence-transformers": ("sentence-transformers",),
}
"""What is installed for each; ``chart`` draws; haystack and llm are for ``failures/``; ``local``
can write its model for the three at the end; ``notebook`` is for ``tests/journeys/notebook.py``."""


def environment(client: str, *, refresh: bool = False) -> Path:
    """The Python of a client's environment; makes it where it is missing.

    Raises:
        subprocess.CalledProcessError: pip could not install it.
    """
    wanted = CLIENTS[client]
    facts = [*wanted, sys.version]
    ours = [Path(name) for flag, name in pairwise(wanted) if flag == "-e"]
    facts += [(dist / "pyproject.toml").read_text() for dist in ours]
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]
    folder = _cache() / f"{client}-{digest}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if refresh:
        shutil.rmtree(folder, ignore_errors=True)
    if not (folder / "complete").exists():
        print(f"making an environment for {client}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", folder)
        _run(python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *wanted)
        (folder / "complete").touch()
    return python


def _cache() -> Path:
    default = Path.home() / ".cache" / "ellmental-tests"
    return Path(os.environ.get("ELLMENTAL_TEST_CACHE") or default) / "peers"


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr)
