"""The options that commands share: those about files, and those of ``embed`` and ``plan``."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["generator_option", "order_options"]

_FORMATS = ("txt", "md", "csv", "tsv", "jsonl", "parquet", "arrow", "sqlite", "duckdb")

generator_option = click.option(
    "-g", "--generator", metavar="NAME", help="Use this one, whatever EMBEDDING_GENERATOR says."
)

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
    generator_option,
    click.option("--overwrite", is_flag=True, help="Replace OUT, once the new one is complete."),
    click.option("--retry-failed", is_flag=True, help="Try again what failed in an earlier run."),
    click.option(
        "--store",
        type=click.Choice(["float32", "float16", "int8"]),
        default="float32",
        show_default=True,
        help="How vectors are stored: half or a quarter of the bytes.",
    ),
)


def order_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add them to a command, which takes them as one ``order``."""

    @wraps(command)
    def with_order(**options: Any) -> Any:
        from ..asked import Asked
        from ..order import Order

        def taken(names: Iterable[str]) -> dict[str, Any]:
            return {name: options.pop(name) for name in names if name in options}

        asked = taken(Asked.__dataclass_fields__)
        alias = options.pop("max_tokens")  # its name in earlier versions
        asked["split_tokens"] = asked["split_tokens"] or alias
        columns = [name.strip() for one in asked["keep"] for name in one.split(",")]
        asked["keep"] = tuple(dict.fromkeys(name for name in columns if name))
        order = Order(asked=Asked(**asked), **taken(Order.__dataclass_fields__))
        return command(order=order, **options)

    wrapped: Callable[..., Any] = with_order
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
