"""What ends a command before its work is done, beside the core's own errors."""

from __future__ import annotations

import click

__all__ = ["FilesError"]


class FilesError(click.ClickException):
    """Input or output files that cannot be used. Shown as one message, exit code 4."""

    exit_code = 4
