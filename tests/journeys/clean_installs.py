"""Every dist as a stranger installs it: alone, with the lowest and the highest versions it allows.

    python3 tests/run.py --packaging                 all of it (some minutes; needs PyPI)
    python3 tests/run.py --packaging -- spaces jobs  some dists

For each dist and each end of its bounds: a new environment with the core and that dist from their
wheels; `uv pip check`; a typed program of a user's under mypy --strict; tests of the dist. The
bounds are those of this file's Python, which should be the oldest supported.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from clean_environment import DISTS, ROOT, build
from typed_consumer import PROGRAM

ENDS = {"lowest": "lowest-direct", "highest": "highest"}
LEFT_OUT = {"umap"}
"""Extras that are not tried: numba, below umap, has no build for most of what umap allows."""
TESTED = {
    "core": ("core/test_core_cli.py", "core/test_generator.py", "core/test_kit_server.py"),
    "azure": ("azure",),
    "jobs": ("jobs/test_jobs_embed.py", "jobs/test_jobs_search.py"),
    "local": ("local/test_local_contract.py", "local/test_local_backend.py"),
    "openai": ("openai/test_openai_contract.py", "openai/test_openai_requests.py"),
    "spaces": ("spaces/test_spaces_contract.py",),
}
NEEDED = {"azure": ("openai",)}
"""Dists of ours that a dist is built on, beside the core."""


class Failed(Exception):
    """A step of one environment failed; the message is what it printed."""


def main() -> int:
    """Print a line for each environment; 1 where one failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("dists", nargs="*", help="folders' names; default: all")
    wanted = parser.parse_args().dists
    failed = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for dist in DISTS:
            build(dist, folder / "wheels")
        for dist in DISTS:
            for end in ENDS:
                if not wanted or dist.name in wanted:
                    failed += not tried(dist, end, folder)
    print("packaging: " + (f"{failed} failed" if failed else "all passed"))
    return 1 if failed else 0


def tried(dist: Path, end: str, folder: Path) -> bool:
    """One environment; whether all that it was asked held."""
    began = time.monotonic()
    try:
        told = environment(dist, end, folder)
    except Failed as error:
        print(f"FAILED  {dist.name}, {end}:\n{error}", flush=True)
        return False
    print(f"passed  {dist.name}, {end}, {time.monotonic() - began:.0f} s: {told}", flush=True)
    return True


def environment(dist: Path, end: str, folder: Path) -> str:
    """Make it and try everything in it; what was installed and tested, in one line."""
    place = folder / f"{dist.name}-{end}"
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    run("uv", "venv", "-q", "--python", sys.executable, str(place))
    ours = [ROOT / "core", *(ROOT / "plugins" / name for name in NEEDED.get(dist.name, ())), dist]
    asked: list[str] = []
    for one in dict.fromkeys(ours):
        extras = set(project(one).get("optional-dependencies", {})) - LEFT_OUT
        # Direct requirements of ours: to uv, "lowest" is about what it is asked for by name.
        asked += ["-r", str(one / "pyproject.toml")]
        asked += [word for extra in sorted(extras & known(dist)) for word in ("--extra", extra)]
    pip(python, "--resolution", ENDS[end], "--find-links", str(folder / "wheels"), *asked)
    names = [one.name.replace("core", "") for one in dict.fromkeys(ours)]
    wheels = [next((folder / "wheels").glob(f"{_package(name)}-*.whl")) for name in names]
    pip(python, "--no-deps", *map(str, wheels))
    # What the tests need themselves takes nothing away from the versions that are there.
    versions = place / "versions.txt"
    versions.write_text(run("uv", "pip", "freeze", "--python", str(python)), "utf-8")
    pip(
        python, "cryptography", "hypothesis>=6.100", "mypy>=1.13", "types-tqdm", "-c", str(versions)
    )
    run("uv", "pip", "check", "--python", str(python))
    program = place / "program.py"
    program.write_text(PROGRAM, "utf-8")
    run(str(python), "-m", "mypy", "--strict", str(program), cwd=place)
    tests = [str(ROOT / "tests" / name) for name in TESTED[dist.name]]
    ran = run(
        str(python), *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow"), *tests
    )
    direct = {re.split(r"[^\w.-]", need)[0] for need in needs(dist)}
    held = [
        line for line in versions.read_text("utf-8").splitlines() if line.split("=")[0] in direct
    ]
    return f"{ran.strip().splitlines()[-1].split(' in ')[0]}; {', '.join(held)}"


def _package(name: str) -> str:
    return "_".join(filter(None, ("ellmental_embeddings", name)))


def known(dist: Path) -> set[str]:
    """The extras to try with a dist: its own, and those of the core that its tests need."""
    return {*project(dist).get("optional-dependencies", {}), "testing", "decoding"} - LEFT_OUT


def project(dist: Path) -> dict[str, Any]:
    """A dist's metadata."""
    read: dict[str, Any] = tomllib.loads((dist / "pyproject.toml").read_text("utf-8"))["project"]
    return read


def needs(dist: Path) -> list[str]:
    """A dist's dependencies, extras' included."""
    own = project(dist)
    extra = own.get("optional-dependencies", {})
    return [*own["dependencies"], *(need for group in extra.values() for need in group)]


def pip(python: Path, *arguments: str) -> None:
    """Install with uv, and nothing from this tree but what is named."""
    run("uv", "pip", "install", "-q", "--no-sources", "--python", str(python), *arguments)


def run(*command: str, cwd: Path = ROOT) -> str:
    """Run a command to its end; what it printed on stdout."""
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    program = command
    if command[0] == "uv":
        program = (sys.executable, "-m", *command)
    ran = subprocess.run(
        program, cwd=cwd, env=kept, capture_output=True, text=True, timeout=500, check=False
    )
    if ran.returncode:
        raise Failed(f"$ {' '.join(command)}\n{(ran.stdout + ran.stderr)[-4000:]}")
    return ran.stdout


if __name__ == "__main__":
    sys.exit(main())
