"""Run the spaces plugin against every Gradio, and the Spaces of the how-to; prints the matrix.

    python3 tests/spaces/matrix.py              all versions, and the Spaces of docs/how-to/spaces
    python3 tests/spaces/matrix.py 4.44 5.50    these versions

Needs what tests/run.py has installed, PyPI, and 3 GB under ELLMENTAL_TEST_CACHE (by default
~/.cache/ellmental-tests) for the environments, which are kept: half a minute each to make.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gradio_environments import VERSIONS

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run the tests of each version; 0 where all passed."""
    chosen = sys.argv[1:] or list(VERSIONS)
    all_good = True
    for version in chosen:
        good, last = _run(version)
        all_good &= good
        print(f"{version:6} {last}", flush=True)
    return 0 if all_good else 1


def _run(version: str) -> tuple[bool, str]:
    """Test one version: whether any test ran and all that ran passed, and pytest's last line."""
    test = "test_spaces_deployable.py" if version == "space" else "test_spaces_real.py"
    settings = {**os.environ, "ELLMENTAL_TEST_GRADIOS": version}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(HERE / test)],
        env=settings,
        cwd=HERE.parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = ran.stdout.strip().splitlines()
    if ran.returncode:
        print(ran.stdout, flush=True)
    last = lines[-1] if lines else f"error: pytest ended with {ran.returncode}"
    return ran.returncode == 0 and " passed" in last, last


if __name__ == "__main__":
    sys.exit(main())
