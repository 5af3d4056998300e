"""What ends a command before its work is done, beside the core's own errors."""

from __future__ import annotations

import click

__all__ = ["FilesError", "JobStopped"]


class FilesError(click.ClickException):
    """Input or output files that cannot be used. Shown as one message, exit code 4."""

    exit_code = 4


class JobStopped(click.ClickException):
    """A job ended early, and the same command goes on from there. Exit code 5."""

    exit_code = 5
