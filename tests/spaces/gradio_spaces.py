"""Starts real Spaces: a gradio of some version, in its own environment, as on the Hub."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from gradio_environments import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["running_app", "running_space"]

APPS = Path(__file__).parent / "apps"
_PATIENCE = 120.0
"""Seconds for a start: 5 to 15 where the machine has nothing else to do."""


@contextlib.contextmanager
def running_space(version: str, kind: str, **surroundings: str) -> Iterator[str]:
    """A Space's URL, while it runs.

    Args:
        version: one of ``gradio_environments.VERSIONS``.
        kind: ``text``, ``instruct`` or ``blocks``.
        **surroundings: environment variables of the app.
    """
    python = environment(version)
    with running_app(python, APPS / "space.py", kind, **surroundings) as url:
        yield url


@contextlib.contextmanager
def running_app(python: Path, app: Path, *arguments: str, **surroundings: str) -> Iterator[str]:
    """The URL of an app while it runs, with the variables that a Space has."""
    port = _free_port()
    settings = {
        **_environment(),
        "PORT": str(port),
        # As on the Hub, where gradio 4 and later close the direct routes.
        "SYSTEM": "spaces",
        "SPACE_ID": "me/demo",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        **surroundings,
    }
    with tempfile.TemporaryFile() as output:  # a pipe that nobody reads fills up
        process = subprocess.Popen(
            [python, app, *arguments], env=settings, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            url = f"http://127.0.0.1:{port}"
            if not _is_up(url, process):
                output.seek(0)
                told = output.read().decode("utf-8", "replace")
                raise RuntimeError(f"the Space did not start:\n{told[-3000:]}")
            yield url
        finally:
            process.kill()
            process.wait()


def _environment() -> dict[str, str]:
    """The tests' own environment without what would reach into the app."""
    ours = ("PYTHONPATH", "PYTHONWARNINGS", "EMBEDDING", "SPACES_", "BATCH_SIZE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _is_up(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait for an answer; False where the process has ended, or the patience."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/config", timeout=5):
                return True
        except urllib.error.HTTPError as refused:
            refused.close()
            return True  # an app with a password
        except OSError:
            time.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
