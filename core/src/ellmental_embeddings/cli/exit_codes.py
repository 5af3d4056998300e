"""What the exit code of ``ellmental`` says. Documented in docs/reference/cli.md."""

from __future__ import annotations

__all__ = [
    "CONFIGURATION",
    "DONE",
    "FAILED",
    "FILES",
    "INTERRUPTED",
    "STOPPED",
    "TERMINATED",
    "USAGE",
]

DONE = 0
"""Done."""
FAILED = 1
"""Some texts failed (all others are done), or the service did."""
USAGE = 2
"""The command line itself is wrong."""
CONFIGURATION = 3
"""A variable is missing or wrong, or the generator is not installed."""
FILES = 4
"""An input cannot be read, or an output cannot be written."""
STOPPED = 5
"""A job ended before its input did: the service, the disk or the input gave up. The same command
goes on from there."""
INTERRUPTED = 130
"""Ctrl-C (128 plus SIGINT's number, as shells have it). A job goes on with the same command."""
TERMINATED = 143
"""A job was ended by SIGTERM (128 plus its number). It goes on with the same command."""
