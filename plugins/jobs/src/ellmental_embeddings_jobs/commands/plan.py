"""``ellmental plan``: its options. What it does is imported when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import input_options

if TYPE_CHECKING:
    from ..asked import Asked

__all__ = ["plan"]


@click.command()
@input_options
@click.option(
    "-g", "--generator", metavar="NAME", help="Use this one, whatever EMBEDDING_GENERATOR says."
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
    asked: Asked,
    generator: str | None,
    price: float | None,
    as_json: bool,
) -> None:
    """Say what `ellmental embed SOURCE...` would send and cost; send nothing.

    Reads and splits the sources as `embed` does: documents, texts and how many of them are
    different, over-long ones, requests, tokens (counted where the generator can count, else an
    upper bound), the price where it is known, and the least time at EMBEDDING_RPM and
    EMBEDDING_TPM. With EMBEDDING_CACHE it says how many are known already.

    \b
    Examples:
      ellmental plan handbook/ faq.md
      EMBEDDING_GENERATOR=OPENAI ellmental plan articles.parquet --price 0.02
      ellmental plan reviews.csv --column review --json | jq .tokens
    """  # noqa: D301 - click's own mark for lines to keep
    from ..planning import Planned, run_plan

    run_plan(
        Planned(
            asked=asked,
            generator=generator,
            price=price,
            as_json=as_json,
        )
    )
