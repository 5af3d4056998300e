"""``ellmental search``: its options. What it does is imported when it is called."""

from __future__ import annotations

from pathlib import Path

import click

from .options import generator_option

__all__ = ["search"]


@click.command()
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.argument("question")
@click.option(
    "-k", default=5, show_default=True, metavar="N", type=click.IntRange(min=1), help="How many."
)
@generator_option
@click.option(
    "--where",
    metavar="CONDITION",
    help="Only rows whose columns fulfil it, e.g. \"source LIKE 'docs/%' AND line > 10\".",
)
@click.option("--json", "as_json", is_flag=True, help="Print whole rows as JSON.")
def search(
    out: Path, question: str, *, k: int, where: str | None, generator: str | None, as_json: bool
) -> None:
    """Print the rows of OUT that are nearest to QUESTION.

    OUT is what `ellmental embed` wrote. The search is exact, by cosine similarity. A dataset
    of another embedding space than the generator's is refused.

    The first search of a large OUT writes OUT/_search.f32, which makes later ones quick.
    CONDITION is like SQL's: =, <>, <, <=, >, >=, IN, LIKE, IS NULL, AND, OR, NOT, brackets.

    \b
    Examples:
      ellmental search vectors "how do I reset my password"
      ellmental search vectors "refunds" --where "source LIKE 'faq/%' OR id IN ('a', 'b')"
      ellmental search vectors "refunds" -k 20 --json | jq -r '.results[].text'
    """  # noqa: D301 - click's own mark for lines to keep
    from ..searching import run_search

    run_search(out, question, k=k, where=where, generator=generator, as_json=as_json)
