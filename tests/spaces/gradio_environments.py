"""One virtual environment per gradio version, made once and kept between runs.

    python3 tests/spaces/gradio_environments.py            all of them, one after the other
    python3 tests/spaces/gradio_environments.py 5.50 6.31  these

They lie under ELLMENTAL_TEST_CACHE, by default ~/.cache/ellmental-tests: 300 to 500 MB each.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["VERSIONS", "environment", "python_for"]

REQUIREMENTS = Path(__file__).parent / "requirements"

VERSIONS = {
    # Which Pythons have wheels of all pins, best first. None: whatever runs the tests.
    "3.36": ("3.11",),
    "3.50": ("3.11", "3.12"),
    "4.0": ("3.11",),
    "4.19": ("3.11", "3.12"),
    "4.44": ("3.11", "3.12"),
    "5.50": None,
    "6.31": None,
    "space": None,
}


def environment(version: str) -> Path:
    """The Python of the environment for a version; makes it where it is missing or outdated.

    Raises:
        LookupError: no Python on this machine can run that version.
        subprocess.CalledProcessError: pip could not install it.
    """
    base = python_for(version)
    pins = REQUIREMENTS / (f"{version}.txt" if version == "space" else f"gradio-{version}.txt")
    digest = hashlib.sha256(pins.read_bytes() + str(base).encode()).hexdigest()[:8]
    folder = _cache() / f"{pins.stem}-{digest}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run([base, "-m", "venv", folder])
        _run([python, "-m", "pip", "install", "-q", "-r", pins])
        (folder / "complete").touch()
    return python


def python_for(version: str) -> Path:
    """The Python to make an environment with.

    Raises:
        LookupError: when this machine has none that fits.
    """
    wanted = VERSIONS[version]
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if wanted is None or running == wanted[0]:
        return (
            Path(sys.base_prefix) / "bin" / "python3" if os.name != "nt" else Path(sys.executable)
        )
    for name in wanted:
        found = _installed(name)
        if found is not None:
            return found
    raise LookupError(f"gradio {version} needs Python {' or '.join(wanted)}, which is not here")


def _installed(version: str) -> Path | None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in (
        *sorted(pyenv.glob(f"{version}.*/bin/python3")),
        shutil.which(f"python{version}"),
    ):
        if candidate is None:
            continue
        probe = "import sys; print('%d.%d' % sys.version_info[:2])"
        ran = subprocess.run([candidate, "-c", probe], capture_output=True, text=True, check=False)
        if ran.stdout.strip() == version:
            return Path(candidate)
    return None


def _cache() -> Path:
    given = os.environ.get("ELLMENTAL_TEST_CACHE")
    folder = Path(given) if given else Path.home() / ".cache" / "ellmental-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(command: list[str | Path]) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        print(ran.stdout[-2000:], ran.stderr[-4000:], file=sys.stderr)
        ran.check_returncode()


if __name__ == "__main__":
    for each in sys.argv[1:] or VERSIONS:
        began = time.monotonic()
        print(f"{each}: {environment(each)} in {time.monotonic() - began:.0f} s", flush=True)
