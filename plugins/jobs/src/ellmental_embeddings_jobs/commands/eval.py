"""``ellmental eval``: its options. What it does is imported when it is called."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["evaluate"]


@click.command("eval")
@click.argument("data", metavar="DATA", type=click.Path(path_type=Path))
@click.option(
    "-g",
    "--generator",
    "generators",
    multiple=True,
    metavar="NAME",
    help="Score this one; may be given several times.  [default: what EMBEDDING_GENERATOR says]",
)
@click.option(
    "-k",
    default=10,
    show_default=True,
    metavar="N",
    type=click.IntRange(min=1),
    help="Documents of a ranking that count.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON on stdout.")
def evaluate(data: Path, *, generators: tuple[str, ...], k: int, as_json: bool) -> None:
    """Score generators on labelled DATA of your own.

    DATA is a .csv, .tsv or .jsonl file of pairs (text_a, text_b, score): Spearman's correlation
    of cosines and scores. Or a .jsonl file of documents and queries, or a folder in BEIR's
    layout: nDCG and recall of the nearest documents.

    \b
    Examples:
      ellmental eval pairs.csv
      ellmental eval questions.jsonl -g LOCAL -g OPENAI
      ellmental eval beir/scifact -g LOCAL -k 100 --json
    """  # noqa: D301 - click's own mark for lines to keep
    from ..evaluating import run_eval

    run_eval(data, generators, k=k, as_json=as_json)
