"""The options of every command that reads files."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["input_options"]

_FORMATS = ("txt", "md", "csv", "tsv", "jsonl", "parquet", "arrow", "sqlite", "duckdb")

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.argument("sources", metavar="SOURCE...", nargs=-1, required=True),
    click.option("--column", metavar="NAME", help="Column of the texts.  [default: text]"),
    click.option(
        "--id", "id_column", metavar="NAME", help="Column of the ids.  [default: the row's place]"
    ),
    click.option(
        "--keep",
        metavar="NAMES",
        multiple=True,
        help="Columns to keep beside the vectors: a,b,c, or the option several times.",
    ),
    click.option("--per-file", is_flag=True, help="A .txt file is one document, not one a line."),
    click.option("--query", metavar="SQL", help="The rows of a SQLite or DuckDB database."),
    click.option(
        "--format",
        type=click.Choice(_FORMATS),
        help="Format of every file and of -, whatever the endings say.",
    ),
    click.option(
        "--split-tokens",
        metavar="N",
        type=click.IntRange(min=1),
        help="Most tokens of a piece.  [default: what the model takes]",
    ),
    click.option("--max-tokens", type=click.IntRange(min=1), hidden=True),
    click.option(
        "--overlap",
        metavar="N",
        type=click.IntRange(min=0),
        default=0,
        help="Tokens that a piece repeats of the one before it.",
    ),
    click.option(
        "--on-bad",
        type=click.Choice(["skip", "stop"]),
        default="skip",
        show_default=True,
        help="What cannot be read: list it and go on, or end before anything is sent.",
    ),
)


def input_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add them to a command, which takes them as one ``asked``."""

    @wraps(command)
    def with_input(**options: Any) -> Any:
        from ..asked import Asked

        names = Asked.__dataclass_fields__.keys() & options.keys()
        given = {name: options.pop(name) for name in names}
        alias = options.pop("max_tokens")  # its name in earlier versions
        given["split_tokens"] = given["split_tokens"] or alias
        columns = [name.strip() for one in given["keep"] for name in one.split(",")]
        given["keep"] = tuple(dict.fromkeys(name for name in columns if name))
        return command(asked=Asked(**given), **options)

    wrapped: Callable[..., Any] = with_input
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
