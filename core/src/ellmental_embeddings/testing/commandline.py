"""The command line in this process, as a user would see it."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

__all__ = ["Ran", "run_ellmental"]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to: its exit code and what it printed."""

    code: int
    stdout: str
    stderr: str


def run_ellmental(*arguments: str) -> Ran:
    """Run ``ellmental`` with these arguments."""
    from ..cli.main import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return Ran(code, out.getvalue(), err.getvalue())
