"""An environment in which nothing of this project is installed, and wheels to install there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DISTS", "ROOT", "CleanEnvironment", "build", "copy_tree", "lint"]

ROOT = Path(__file__).resolve().parents[2]
DISTS = [ROOT / "core", *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
OURS = ("ellmental_embeddings", "_ellmental_embeddings", "__editable__")


def copy_tree(folder: Path) -> None:
    """Copy the files that git knows, or would, as they stand in the work tree, and nothing else."""
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


def build(dist: Path, into: Path, *targets: str) -> list[Path]:
    """Build a dist's wheel (or the targets named); the files made."""
    into.mkdir(parents=True, exist_ok=True)
    before = set(into.iterdir())
    wanted = [word for target in targets or ("wheel",) for word in ("-t", target)]
    ran = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(into), *wanted],
        cwd=dist,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return sorted(set(into.iterdir()) - before)


class CleanEnvironment:
    """A virtual environment that sees third parties' packages as installed here, and none of ours.

    They are links, so that no test downloads what is there already.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False, symlinks=os.name != "nt")
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.bin / "python"
        links = _link_third_parties(folder / "third-parties")
        place = self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        (Path(place.stdout.strip()) / "third-parties.pth").write_text(f"{links}\n", "utf-8")

    def install(self, *what: Path) -> None:
        """Install wheels, or build and install folders, without their dependencies."""
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--python", str(self.python), "install", "-q"),
                *("--no-deps", "--no-index", "--no-build-isolation", *map(str, what)),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def run(
        self, *arguments: str, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python, with nothing of the developer's environment."""
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=cwd or self.folder,
            env=self.environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def ellmental(
        self, *arguments: str, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return self.run(
            "-W", "error", "-m", "ellmental_embeddings", *arguments, cwd=cwd, **variables
        )

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables that a process finds."""
        kept = {name: os.environ[name] for name in ("HOME", "SYSTEMROOT") if name in os.environ}
        path = os.pathsep.join([str(self.bin), os.environ["PATH"]])
        return {**kept, "PATH": path, "LC_ALL": "C.UTF-8", **variables}


def _link_third_parties(folder: Path) -> Path:
    folder.mkdir()
    for place in dict.fromkeys(Path(entry).resolve() for entry in sys.path if entry):
        if place.name not in ("site-packages", "dist-packages"):
            continue
        for installed in place.iterdir():
            if not installed.name.startswith(OURS) and not (folder / installed.name).exists():
                (folder / installed.name).symlink_to(installed)
    return folder


def lint(folder: Path) -> None:
    """Ruff finds nothing, by the rules of the folder."""
    for how in (["check"], ["format", "--check"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *how, "--no-cache"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout
