"""The README's first command, in a clean copy of the repository, as a new user runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from clean_environment import ROOT, copy_tree

if TYPE_CHECKING:
    from pathlib import Path


def commands() -> list[str]:
    """The lines that the README gives for pasting."""
    text = (ROOT / "README.md").read_text("utf-8")
    return re.findall(r"^```sh\n(.*?)\n```$", text, re.MULTILINE)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git knows, as they stand in the work tree, and nothing else."""
    folder = tmp_path_factory.mktemp("clone")
    copy_tree(folder)
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
