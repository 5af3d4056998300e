"""``ellmental vector``: one JSON vector a text."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Literal

import click

from . import exit_codes
from .output import note

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["command"]


class _NotText(click.ClickException):
    exit_code = exit_codes.FILES


@click.command("vector")
@click.argument("texts", nargs=-1, metavar="TEXT...")
@click.option("-g", "--generator", "name", help="Use this one, whatever EMBEDDING_GENERATOR says.")
@click.option(
    "--role",
    type=click.Choice(["document", "query"]),
    default="document",
    show_default=True,
    help="What the texts are for: to be found, or to find.",
)
@click.option("--instruction", help="What an instruction model is told; a prefix for others.")
def command(
    texts: tuple[str, ...],
    name: str | None,
    role: Literal["document", "query"],
    instruction: str | None,
) -> None:
    """Print the vector of each TEXT as a line of JSON.

    TEXT may be `-`: then each line of standard input is a text. A text that fails prints
    `null`, its reason goes to stderr, and the exit code is 1.

    \b
    Examples:
      ellmental vector "a text" "another"
      ellmental vector --role query "which one?" | jq length
      cat lines.txt | ellmental vector -
    """  # noqa: D301 - click's own mark for lines to keep
    from .. import load_generator

    given = _read_lines() if texts == ("-",) else list(texts)
    if not given:
        raise click.UsageError('No text given. Try: ellmental vector "a text"')
    with load_generator(name) as generator:
        note(f"generator: {generator.summary}")
        result = generator.embed(given, role=role, instruction=instruction, on_error="keep")
    for position, vector in enumerate(result):
        click.echo("null" if position in result.failed else as_json(vector.tolist()))
    for position, error in sorted(result.failed.items()):
        note(f"Error: text {position} ({_shortened(given[position])}): {error}")
    if result.failed:
        raise click.exceptions.Exit(exit_codes.FAILED)


def as_json(vector: Iterable[float]) -> str:
    """A float32 vector as JSON: 9 significant digits bring every float32 back exactly."""
    return json.dumps([float(f"{value:.9g}") for value in vector])


def _read_lines() -> list[str]:
    """The lines of standard input, as UTF-8 on every system; only line ends end a line."""
    given = sys.stdin.buffer.read()
    try:
        text = given.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = given.count(b"\n", 0, error.start) + 1
        raise _NotText(f"standard input is not UTF-8 text: see line {line}.") from None
    lines = text.replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def _shortened(text: str, most: int = 40) -> str:
    return ascii(text if len(text) <= most else text[:most] + "...")
