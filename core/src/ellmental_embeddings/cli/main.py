"""``ellmental``: the group of all commands, and what becomes of errors."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
import warnings
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from .. import ConfigurationError, EmbeddingError
from ..registry import add_commands
from . import exit_codes
from .output import note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main", "make_group"]

_COMMANDS = ("completion", "config", "doctor", "generators", "new-plugin", "vector")
_FROM_JOBS = ("embed", "eval", "map", "plan", "search")
_COMPLETE = "_ELLMENTAL_COMPLETE"

_HELP = """Turn text into vectors with whatever makes the vectors.

EMBEDDING_GENERATOR chooses the generator; without it, LOCAL needs no key and no network.

\b
Examples:
  ellmental vector "a text"          one vector as JSON
  ellmental generators               what is installed, and whether it is ready
  ellmental doctor                   check the choice, embed one text for real
  ellmental embed docs -o vectors    files in, a dataset of vectors out
  ellmental search vectors "a question"
"""


class _Group(click.Group):
    """Imports the core's commands when they are asked for; plugins' commands win over hints."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_COMMANDS, *_FROM_JOBS})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in _COMMANDS:
            module = import_module(f".{name.replace('-', '_')}", __package__)
            command: click.Command = module.command
            return command
        added = super().get_command(ctx, name)
        if added is None and name in _FROM_JOBS:
            return _not_installed(name)
        return added

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        unknown = not args[0].startswith("-") and self.get_command(ctx, args[0]) is None
        if unknown and not ctx.resilient_parsing:
            # click looks for what is near among the loaded commands only: the core's are not yet.
            import difflib

            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


def make_group() -> click.Group:
    """The whole command line, plugins' commands included."""
    group = _Group(
        name="ellmental",
        help=_HELP,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        params=[
            click.Option(
                ["--debug"],
                is_flag=True,
                help="Show tracebacks. May stand anywhere.",
                expose_value=False,
            )
        ],
        epilog="\b\nExit codes: 0 done, 1 something failed, 2 usage, 3 configuration, 4 files,\n"
        "5 stopped: the same command goes on, 130 interrupted.",
    )
    click.version_option(package_name="ellmental-embeddings")(group)
    for trouble in add_commands(group):
        if _COMPLETE not in os.environ:  # a shell that completes a word wants no lines between
            note(f"warning: {trouble.reason}")
    return group


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; the entry point of ``ellmental``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    given, debug = _without_debug(given)
    _open_what_is_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # No output dies of a character that the terminal's encoding does not have.
        sys.stdout.reconfigure(errors="backslashreplace")
    stdout = sys.stdout
    try:
        with _told_to_people():
            code = make_group().main(given, prog_name="ellmental", standalone_mode=False)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - told in one place, as one exit code each
        if isinstance(error, SystemExit) and sys.stdout is not stdout:
            # click has met a broken pipe: it puts a wrapper around stdout and exits with 1.
            sys.exit(_explain(BrokenPipeError()))
        if debug and not isinstance(error, (SystemExit, click.exceptions.Exit)):
            traceback.print_exception(error)
        sys.exit(_explain(error))
    sys.exit(code if isinstance(code, int) else exit_codes.DONE)


def _open_what_is_closed() -> None:
    """Without its standard streams (``>&-``) a command goes on; a file must not get their place."""
    unheard = sys.stdout is None
    if sys.stdin is None:  # and stays so, for commands that say it
        os.open(os.devnull, os.O_RDONLY)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    if unheard:
        note("warning: standard output is closed: nothing is printed")


def _explain(error: BaseException) -> int:  # noqa: PLR0911 - one return a kind of error
    """Say on stderr what is wrong, and return the exit code."""
    match error:
        case click.exceptions.Exit():
            return int(error.exit_code)
        case SystemExit():
            return error.code if isinstance(error.code, int) else exit_codes.FAILED
        case KeyboardInterrupt() | click.Abort():
            note("Interrupted.")
            return exit_codes.INTERRUPTED
        case click.ClickException():
            error.show()
            return error.exit_code
        case BrokenPipeError():
            # Whoever read stdout has gone (`| head`): nothing is wrong, nothing can be said.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return exit_codes.DONE
        case EmbeddingError():
            note(f"Error: {error}")
            configuration = isinstance(error, ConfigurationError)
            return exit_codes.CONFIGURATION if configuration else exit_codes.FAILED
        case OSError():
            note(f"Error: {error.filename or ''}: {error.strerror or error}".replace(": : ", ": "))
            return exit_codes.FILES
        case _:
            note(
                f"Error: {type(error).__name__}: {error}\nThis should not happen. Run it again "
                "with --debug, and report what it prints."
            )
            return exit_codes.FAILED


def _without_debug(given: list[str]) -> tuple[list[str], bool]:
    end = given.index("--") if "--" in given else len(given)
    options, rest = given[:end], given[end:]
    return [one for one in options if one != "--debug"] + rest, "--debug" in options


@contextmanager
def _told_to_people() -> Iterator[None]:
    """Warnings, and why a command waits, in one line each on stderr while it runs."""

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(f"note: {record.getMessage()}")

    log, notes = logging.getLogger("ellmental_embeddings"), Notes(logging.WARNING)
    before = warnings.showwarning, log.propagate
    warnings.showwarning, log.propagate = _show_warning, False
    log.addHandler(notes)
    try:
        yield
    finally:
        log.removeHandler(notes)
        warnings.showwarning, log.propagate = before


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    note(f"warning: {message}")


def _not_installed(name: str) -> click.Command:
    def explain(**_: Any) -> None:
        raise ConfigurationError(
            f"`ellmental {name}` comes with another package. Install it with: "
            "pip install ellmental-embeddings-jobs"
        )

    return click.Command(
        name,
        callback=explain,
        help="Not installed: pip install ellmental-embeddings-jobs",
        params=[click.Argument(["anything"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True},
    )
