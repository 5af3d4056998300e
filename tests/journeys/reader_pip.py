"""``pip`` as the documentation's reader has it: our dists are there already, folders are installed.

    reader_pip.py SITE install [options] WHAT...

A folder of the reader's own, or of the samples, is built and installed into SITE. The name of a
package must be one of ours, or one that ours depend on, and its extras must be there.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PUBLISHING = {"twine"}
"""What whoever publishes this project or a plugin needs, beside what the tests need."""
SAMPLES = ROOT / "docs" / "how-to" / "samples"
DISTS = [ROOT / "core", *(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]


def ours() -> dict[str, set[str]]:
    """The names of our dists, and their extras."""
    projects = [project(folder) for folder in DISTS]
    return {one["name"]: set(one.get("optional-dependencies", ())) for one in projects}


def theirs() -> set[str]:
    """The names of what our dists depend on."""
    projects = [project(folder) for folder in DISTS]
    needs = [
        need
        for one in projects
        for needed in (one["dependencies"], *one.get("optional-dependencies", {}).values())
        for need in needed
    ]
    return {Requirement(need).name for need in needs} - set(ours()) | PUBLISHING | needed_by_tests()


def needed_by_tests() -> set[str]:
    """The names in tests/requirements.txt."""
    lines = (ROOT / "tests" / "requirements.txt").read_text("utf-8").splitlines()
    return {Requirement(line).name for line in lines if line.strip() and not line.startswith("#")}


def project(folder: Path) -> dict:  # type: ignore[type-arg]
    """The metadata of a dist."""
    read = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    assert isinstance(read, dict)
    return read


def trouble(what: str) -> str | None:
    """Why a requirement cannot be installed by whoever reads this; None where it can."""
    if re.match(r"[./]", what):
        path, _, extras = what.partition("[")
        places = (Path(path), ROOT / path, SAMPLES / path)
        folder = next((one for one in places if (one / "pyproject.toml").is_file()), None)
        if folder is None:
            return f"{what}: there is no such folder"
        known = set(project(folder).get("optional-dependencies", ()))
        wanted = {one.strip() for one in extras.rstrip("]").split(",") if one}
    else:
        asked = Requirement(what)
        if asked.name in theirs():
            return None
        if asked.name not in ours():
            return f"{what}: no dist of ours, and none depends on it"
        known, wanted = ours()[asked.name], set(asked.extras)
    missing = wanted - known
    return f"{what}: no extra {', '.join(sorted(missing))}" if missing else None


def to_build(what: str) -> str | None:
    """The folder that it is, where that is not installed already."""
    if not what.startswith((".", "/")):
        return None
    return next((str(one.resolve()) for one in (Path(what), SAMPLES / what) if one.is_dir()), None)


def main(site: str, command: str, *words: str) -> int:
    """Install; 1 with the reasons where something cannot be."""
    wanted = [word for word in words if not word.startswith("-")]
    troubles = [found for word in wanted if (found := trouble(word))]
    if command != "install" or not wanted or troubles:
        print("\n".join(troubles) or f"pip {command} is not known here", file=sys.stderr)
        return 1
    folders = [folder for word in wanted if (folder := to_build(word))]
    if not folders:
        return 0
    how = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    ran = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *how, "--target", site, *folders],
        check=False,
    )
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
