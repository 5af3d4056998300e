"""Every dist as a stranger installs it: alone, with the lowest and the highest versions it allows.

    python3 tests/run.py --packaging                 all of it (some minutes; needs PyPI)
    python3 tests/run.py --packaging -- spaces jobs  some dists

For each dist: lowest versions with the oldest Python, highest ones with the newest. First with
nothing but what it must have: its wheel, built with the oldest hatchling it allows, the core's,
and what both require; ``uv pip check``, all modules import but those of extras, and its
generators are listed. Then with its extras: all modules import, a typed program of a user's
passes mypy --strict, tests of the dist pass.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from clean_environment import DISTS, ROOT
from typed_consumer import PROGRAM

ENDS = {"lowest": "lowest-direct", "highest": "highest"}
IMPORTED = {"pysimdjson": "simdjson", "umap-learn": "umap"}
"""How dists are imported that extras bring, where that is not by their name."""
TESTED = {
    "core": ("core/test_core_cli.py", "core/test_generator.py", "core/test_kit_server.py"),
    "azure": ("azure",),
    "jobs": ("jobs/test_jobs_embed.py", "jobs/test_jobs_search.py", "jobs/test_jobs_map.py"),
    "local": ("local/test_local_contract.py", "local/test_local_backend.py"),
    "openai": ("openai/test_openai_contract.py", "openai/test_openai_requests.py"),
    "spaces": ("spaces/test_spaces_contract.py",),
}
NEEDED = {"azure": ("openai",)}
"""Dists of ours that a dist is built on, beside the core."""
IMPORT_ALL = """
import importlib, json, pkgutil, sys

missing = {}
for package in map(importlib.import_module, sys.argv[1:]):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                missing[module.name] = error.name.partition(".")[0]
print(json.dumps(missing))
"""


class Failed(Exception):
    """A step of one environment failed; the message is what it printed."""


def main() -> int:
    """Print a line for each environment; 1 where one failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for end in ENDS:
        parser.add_argument(f"--{end}", default=sys.executable, help="a Python; default: this one")
    parser.add_argument("dists", nargs="*", help="folders' names; default: all")
    given = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        build_wheels(folder)
        for dist in DISTS:
            for end in ENDS:
                if not given.dists or dist.name in given.dists:
                    failed += not tried(dist, end, vars(given)[end], folder)
    print("packaging: " + (f"{failed} failed" if failed else "all passed"))
    return 1 if failed else 0


def build_wheels(folder: Path) -> None:
    """All wheels, with the oldest hatchling that the dists say builds them."""
    builder = venv(folder / "builder", sys.executable)
    read = tomllib.loads((ROOT / "core" / "pyproject.toml").read_text("utf-8"))
    oldest = [need.replace(">=", "==") for need in read["build-system"]["requires"]]
    pip(builder, *oldest)
    target = ("-t", "wheel", "-d", str(folder / "wheels"))
    for dist in DISTS:
        run(str(builder), "-m", "hatchling", "build", *target, cwd=dist)


def tried(dist: Path, end: str, python: str, folder: Path) -> bool:
    """One environment; whether all that it was asked held."""
    began = time.monotonic()
    try:
        told = environment(dist, end, python, folder)
    except Failed as error:
        print(f"FAILED  {dist.name}, {end}:\n{error}", flush=True)
        return False
    print(f"passed  {dist.name}, {end}, {time.monotonic() - began:.0f} s: {told}", flush=True)
    return True


def environment(dist: Path, end: str, with_python: str, folder: Path) -> str:
    """Make it and try everything in it; what was installed and tested, in one line."""
    place = folder / f"{dist.name}-{end}"
    python = venv(place, with_python)
    ours = list(
        dict.fromkeys(
            [ROOT / "core", *(ROOT / "plugins" / n for n in NEEDED.get(dist.name, ())), dist]
        )
    )
    names = [package(one) for one in ours]
    wheels = [next((folder / "wheels").glob(f"{name}-*.whl")) for name in names]
    # Direct requirements of ours: to uv, "lowest" is about what it is asked for by name.
    asked = [word for one in ours for word in ("-r", str(one / "pyproject.toml"))]
    resolved = ("--resolution", ENDS[end], "--find-links", str(folder / "wheels"))
    pip(python, *resolved, *asked)
    pip(python, "--no-deps", *map(str, wheels))
    run("uv", "pip", "check", "--python", str(python))
    try_bare(python, dist, ours)
    extras = {*extras_of(dist), "testing", "decoding"}
    for one in ours:
        mine = sorted(extras & set(extras_of(one)))
        asked += [word for extra in mine for word in ("--extra", extra)]
    pip(python, *resolved, *asked)
    # What the tests need themselves takes nothing away from the versions that are there.
    versions = place / "versions.txt"
    versions.write_text(run("uv", "pip", "freeze", "--python", str(python)), "utf-8")
    pip(
        python, "cryptography", "hypothesis>=6.100", "mypy>=1.13", "types-tqdm", "-c", str(versions)
    )
    run("uv", "pip", "check", "--python", str(python))
    if missing := json.loads(run(str(python), "-c", IMPORT_ALL, package(dist))):
        raise Failed(f"with all extras these modules do not import: {missing}")
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
    version = run(str(python), "-c", "import platform; print(platform.python_version())").strip()
    counted = ran.strip().splitlines()[-1].split(" in ")[0]
    return f"{counted}; Python {version}, {', '.join(held)}"


def try_bare(python: Path, dist: Path, ours: list[Path]) -> None:
    """Without extras: what does not need one imports, and each generator of the dist is listed."""
    allowed = {
        IMPORTED.get(name, name.replace("-", "_"))
        for one in ours
        for group in extras_of(one).values()
        for name in (re.split(r"[^\w.-]", need)[0] for need in group)
    }
    missing = json.loads(run(str(python), "-c", IMPORT_ALL, *map(package, ours)))
    if strangers := {name: what for name, what in missing.items() if what not in allowed}:
        raise Failed(f"these modules need what is not required: {strangers}")
    command = (str(python), "-m", "ellmental_embeddings")
    run(*command, "--help")
    listed = json.loads(run(*command, "generators", "--json"))
    ready = {one["name"] for one in listed if one["state"] in {"ready", "not ready"}}
    announced = project(dist).get("entry-points", {}).get("ellmental_embeddings", {})
    if absent := set(announced) - ready:
        raise Failed(f"not listed as generators: {absent}, but {listed}")
    if "LOCAL" in announced:
        run(*command, "vector", "a text")


def package(dist: Path) -> str:
    """What a dist is imported by."""
    return str(project(dist)["name"]).replace("-", "_")


def extras_of(dist: Path) -> dict[str, list[str]]:
    """A dist's extras, and what each asks for."""
    found: dict[str, list[str]] = project(dist).get("optional-dependencies", {})
    return found


def venv(place: Path, python: str) -> Path:
    """Make an empty environment; its Python."""
    run("uv", "venv", "-q", "--python", python, str(place))
    return place / ("Scripts" if os.name == "nt" else "bin") / "python"


def project(dist: Path) -> dict[str, Any]:
    """A dist's metadata."""
    read: dict[str, Any] = tomllib.loads((dist / "pyproject.toml").read_text("utf-8"))["project"]
    return read


def needs(dist: Path) -> list[str]:
    """A dist's dependencies, extras' included."""
    extras = extras_of(dist).values()
    return [*project(dist)["dependencies"], *(need for group in extras for need in group)]


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
