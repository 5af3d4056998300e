"""``ellmental plan``: its options. What it does is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import order_options

if TYPE_CHECKING:
    from ..order import Order

__all__ = ["plan"]


@click.command()
@order_options
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(path_type=Path),
    help="What this dataset has already, finished or not, is not counted as sent.",
)
@click.option(
    "--price",
    metavar="DOLLARS",
    type=click.FloatRange(min=0),
    help="What a million tokens cost.  [default: from a small table, where known]",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON on stdout.")
def plan(
    *,
    order: Order,
    output: Path | None,
    price: float | None,
    as_json: bool,
) -> None:
    """Say what `ellmental embed` would send and cost.

    Sends nothing. Takes all options of `embed`: put `plan` where `embed` stands. Reads and splits
    the sources as it does: documents, texts and how many of them are different, over-long ones,
    requests, tokens (counted where the generator can count, else an upper bound), the price where
    it is known, and the time at EMBEDDING_RPM and EMBEDDING_TPM. With -o it says what OUT has
    already, with EMBEDDING_CACHE what the cache has. It changes neither.

    \b
    Examples:
      ellmental plan handbook/ faq.md
      ellmental plan reviews.csv --column review -o vectors
      EMBEDDING_GENERATOR=OPENAI ellmental plan articles.parquet --price 0.02
      ellmental plan reviews.csv --column review --json | jq .tokens
    """  # noqa: D301 - click's own mark for lines to keep
    from ..planning import run_plan

    run_plan(order, output, price=price, as_json=as_json)
