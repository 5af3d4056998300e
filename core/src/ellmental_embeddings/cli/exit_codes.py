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
FAILED = 1
"""Some texts failed, or the service did."""
USAGE = 2
"""The command line itself is wrong (click's own code)."""
CONFIGURATION = 3
"""A variable is missing or wrong, or the generator is not installed."""
FILES = 4
"""An input cannot be read, or an output cannot be written."""
STOPPED = 5
"""A job ended before its input did, and the same command goes on from there."""
INTERRUPTED = 130
"""Ctrl-C: 128 plus the number of SIGINT, as shells have it."""
TERMINATED = 143
"""SIGTERM, likewise, where a command takes its time to end well."""
