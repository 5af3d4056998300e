"""``ellmental vector``: one JSON vector a text."""

from __future__ import annotations

import json
import sys
from collections import deque
from typing import TYPE_CHECKING, Literal

import click

from . import exit_codes
from .output import note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from .. import Embeddings

__all__ = ["as_json", "command"]


_NO_TEXT = 'No text given. Try: ellmental vector "a text"'


@click.command("vector")
@click.argument("texts", nargs=-1, metavar="TEXT...")
@click.option(
    "-g",
    "--generator",
    "name",
    metavar="NAME",
    help="Use this one, whatever EMBEDDING_GENERATOR says.",
)
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
    if not texts:
        raise click.UsageError(_NO_TEXT)
    import asyncio  # here, not above: help needs none of it

    failed, done = asyncio.run(_printed(texts, name, role, instruction))
    if not done:
        raise click.UsageError(_NO_TEXT)
    if failed:
        raise click.exceptions.Exit(exit_codes.FAILED)


async def _printed(
    texts: tuple[str, ...],
    name: str | None,
    role: Literal["document", "query"],
    instruction: str | None,
) -> tuple[int, int]:
    """Print all vectors, each as soon as it is there; how many texts failed, and how many were."""
    from .. import load_generator, terminal_progress
    from .lines import lines_of_stdin

    waiting: deque[str] = deque()
    given = lines_of_stdin() if texts == ("-",) else _each(texts)
    failed = start = 0
    with load_generator(name) as generator:
        note(f"generator: {generator.summary}")
        async for part in generator.astream(
            _remembered(given, waiting),
            role=role,
            instruction=instruction,
            on_error="keep",
            progress=None if sys.stdout.isatty() else terminal_progress(),
        ):
            _print(part, waiting, start)
            start, failed = start + len(part), failed + len(part.failed)
            sys.stdout.flush()
    return failed, start


def _print(part: Embeddings, waiting: deque[str], start: int) -> None:
    """Print a part's vectors; say which of its texts have none, and which were cut."""
    for position, vector in enumerate(part):
        text = waiting.popleft()
        error = part.failed.get(position)
        click.echo("null" if error else as_json(vector.tolist()))
        if error:
            note(f"Error: text {start + position} ({_shortened(text)}): {error}")
        elif (outcome := part.outcomes[position]).status in {"truncated", "split"}:
            note(f"text {start + position} ({_shortened(text)}): {outcome}")


async def _remembered(texts: AsyncIterator[str], waiting: deque[str]) -> AsyncIterator[str]:
    async for text in texts:
        waiting.append(text)
        yield text


async def _each(texts: Iterable[str]) -> AsyncIterator[str]:
    for text in texts:
        yield text


def as_json(vector: Iterable[float]) -> str:
    """A float32 vector as JSON: 9 significant digits bring every float32 back exactly."""
    return json.dumps([float(f"{value:.9g}") for value in vector])


def _shortened(text: str, most: int = 40) -> str:
    return ascii(text if len(text) <= most else text[:most] + "...")
