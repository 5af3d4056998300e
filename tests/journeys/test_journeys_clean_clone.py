"""The README's first command, in a clean copy of the repository, as a new user runs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def commands() -> list[str]:
    """The lines that the README gives for pasting."""
    text = (ROOT / "README.md").read_text("utf-8")
    return re.findall(r"^```sh\n(.*?)\n```$", text, re.MULTILINE)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git knows, as they stand in the work tree, and nothing else."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.mark.slow
def test_first_command(clone: Path) -> None:
    """One line sets up everything, embeds the documentation, and finds the right page."""
    first, second = commands()[:2]
    assert second == "python3 tests/run.py"
    python = clone / "python" / "python3"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    ran = subprocess.run(
        ["bash", "-c", first],
        cwd=clone,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "docs/how-to/long-texts.md" in ran.stdout
    assert "LOCAL" in ran.stderr
    assert "Traceback" not in ran.stderr
