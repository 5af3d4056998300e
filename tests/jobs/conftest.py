"""A scripted generator, installed for the tests as users' plugins are, and two ways to run it."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from ellmental_embeddings.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGIN = Path(__file__).parent / "plugin"


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


class Run(Protocol):
    """Runs ``ellmental`` with arguments."""

    def __call__(self, *arguments: object) -> Ran:
        """Run it to its end."""
        ...


@pytest.fixture(autouse=True)
def _in_a_clean_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working folder, only SCRIPTED chosen, no other variable of the machine's."""
    for name in list(os.environ):
        if name.startswith(("EMBEDDING", "OPENAI", "AZURE", "LOCAL_", "BATCH_SIZE", "SCRIPTED")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.setenv("PYTHONPATH", str(PLUGIN))
    monkeypatch.setenv("EMBEDDING_GENERATOR", "SCRIPTED")
    show = warnings.showwarning
    yield
    warnings.showwarning = show


@pytest.fixture
def ellmental(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line, run within this process: the same ``main``, without the start-up."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Ran(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def ellmental_process() -> Run:
    """The command line as a process of its own."""

    def run(*arguments: object) -> Ran:
        command = [sys.executable, "-m", "scripted_main", *map(str, arguments)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    return run
