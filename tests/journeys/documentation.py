"""Reads the documentation's pages and runs what they show, as a reader would.

- A ``python`` block runs as a script; a ``text`` block close below it is what it prints.
- A block under a paragraph that begins with a file name in backticks is that file.
- A ``console`` block is a transcript: lines after ``$`` are run, what follows is printed.
  ``...`` stands for any text; runs of blanks count as one.
- ``sh`` blocks are for copying, and are run by tests of their own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^`([\w./-]+\.\w+)`")
_CLOSE_BELOW = 40
"""Characters that may stand between a script and what it prints."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text, first line, and where it belongs."""

    language: str
    text: str
    line: int
    file: str | None
    prints: str | None


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = list(_FENCE.finditer(text))
    result = []
    for number, match in enumerate(found):
        above = text[: match.start()].rstrip().rpartition("\n\n")[2]
        named = _FILE.match(above)
        below = found[number + 1] if number + 1 < len(found) else None
        prints = None
        if below and below[1] == "text" and below.start() - match.end() < _CLOSE_BELOW:
            prints = below[2]
        line = text[: match.start()].count("\n") + 2
        result.append(Block(match[1], match[2], line, named[1] if named else None, prints))
    return result


@dataclass(frozen=True)
class Reader:
    """Somebody who follows a page in an empty folder."""

    folder: Path

    def environment(self) -> dict[str, str]:
        """A shell with the product on its PATH and no settings; `pip install` goes to a folder."""
        site, tools = self.folder / ".site", self.folder / ".tools"
        tools.mkdir(exist_ok=True)
        pip = tools / "pip"
        if not pip.exists():
            pip.write_text(
                f"#!/bin/sh\nshift\nexec {sys.executable} -m pip install --no-deps "
                f'--no-build-isolation --target {site} "$@"\n'
            )
            pip.chmod(0o755)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EMBEDDING", "OPENAI", "AZURE", "LOCAL_MODEL", "BATCH_SIZE"))
        }
        samples = str(ROOT / "docs" / "how-to" / "samples")
        path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), kept["PATH"]])
        return {**kept, "PATH": path, "PYTHONPATH": str(site), "COLUMNS": "200", "SAMPLES": samples}

    def python(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script."""
        return self._run([sys.executable, "-W", "error", "-c", script])

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command, both outputs in one as a terminal shows them."""
        return self._run(["bash", "-c", f"{{ {command}\n}} 2>&1"])

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def transcript(text: str) -> list[tuple[str, str]]:
    """A console block as pairs of command and output."""
    steps: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], ""))
        elif steps:
            steps[-1] = (steps[-1][0], steps[-1][1] + line + "\n")
    return steps


def same(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed."""
    parts = [re.escape(part.strip(" ")) for part in _folded(shown).split("...")]
    pattern = ".*".join(parts)
    return re.fullmatch(pattern, _folded(printed), re.DOTALL) is not None


def _folded(text: str) -> str:
    return "\n".join(re.sub(r"\s+", " ", line).strip() for line in text.strip().splitlines())
