"""Somebody who follows a page of the documentation in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from documentation import ROOT
from tokenizers import Tokenizer, models

if TYPE_CHECKING:
    from reader_services import Services

FOREIGN = ("EMBEDDING", "OPENAI", "AZURE", "LOCAL_MODEL", "BATCH_SIZE", "SPACES_", "HF_")
PIP = ROOT / "tests" / "journeys" / "reader_pip.py"


class Reader:
    """A shell with the product on its PATH, no settings, and services that are stand-ins.

    Attributes:
        folder: where it is.
        services: what answers in place of OpenAI, Azure and the Hub.
        exported: the variables of the reader's shell, as ``sh`` blocks have left them.
    """

    def __init__(self, folder: Path, services: Services) -> None:
        self.folder = folder
        self.services = services
        tools = folder / ".tools"
        tools.mkdir()
        pip = tools / "pip"
        pip.write_text(f'#!/bin/sh\nexec {sys.executable} {PIP} {folder / ".site"} "$@"\n')
        pip.chmod(0o755)
        make_tokenizer(folder / "home" / "models" / "bge-m3")
        self._clean = self._environment(tools)
        self.open_shell()

    def _environment(self, tools: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return {
            **kept,
            "PATH": os.pathsep.join([str(tools), str(Path(sys.executable).parent), kept["PATH"]]),
            "HOME": str(self.folder / "home"),
            "PYTHONPATH": str(self.folder / ".site"),
            "COLUMNS": "200",
            "SAMPLES": str(ROOT / "docs" / "how-to" / "samples"),
            "BROWSER": "true %s",
            "HF_ENDPOINT": self.services.hub,
        }

    def open_shell(self) -> None:
        """Forget what was exported."""
        self.exported = {**self._clean, **self.services.variables}

    def write(self, name: str, text: str) -> None:
        """Make a file that the page shows."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def python(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script in the reader's shell."""
        return self._run([sys.executable, "-W", "error", "-c", script], self.exported)

    def commands(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run lines in the reader's shell, up to the first that fails; exports stay."""
        left = self.folder / ".exported"
        script = f"set -e\n{self.services.really(script)}\nenv -0 > {left}"
        ran = self._run(["bash", "-c", f"{{ {script}\n}} 2>&1"], self.exported)
        if ran.returncode == 0:
            lines = left.read_text("utf-8").split("\0")
            self.exported = dict(line.split("=", 1) for line in lines if "=" in line)
        return ran

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a clean shell, both outputs in one as a terminal shows them."""
        return self._run(["bash", "-c", f"{{ {command}\n}} 2>&1"], self._clean)

    def variables(self) -> dict[str, str]:
        """What ``sh`` blocks have exported for the product."""
        began = {**self._clean, **self.services.variables}
        return {
            name: value
            for name, value in self.exported.items()
            if began.get(name) != value and name not in {"_", "SHLVL", "PWD", "OLDPWD"}
        }

    def _run(
        self, command: list[str], environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        ran.stdout = self.services.shown(ran.stdout)
        return ran


def make_tokenizer(folder: Path) -> None:
    """What a page takes for granted that its reader has: a model's tokenizer.json."""
    folder.mkdir(parents=True)
    model = models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")
    Tokenizer(model).save(str(folder / "tokenizer.json"))
