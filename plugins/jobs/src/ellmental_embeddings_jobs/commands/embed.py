"""``ellmental embed``: its options. What it does is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .export import halfvec_option, to_option
from .options import order_options

if TYPE_CHECKING:
    from ..order import Order

__all__ = ["embed"]


@click.command()
@order_options
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT",
    type=click.Path(path_type=Path),
    help="Folder of the dataset; where a job has begun it, this one goes on.",
)
@to_option
@halfvec_option
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON Lines on stdout.")
@click.pass_context
def embed(
    context: click.Context,
    *,
    order: Order,
    output: Path,
    to: str | None,
    halfvec: bool,
    as_json: bool,
) -> None:
    """Embed files into a dataset of vectors.

    SOURCE is a .txt (a document a line), .md (a document), .csv, .tsv, .jsonl, .parquet or .arrow
    file, a SQLite or DuckDB file with --query, a folder (its .txt and .md files, at any depth), a
    pattern in quotation marks, or - for lines from standard input. Text, CSV, TSV and JSON Lines
    may be packed: .gz, .zst.

    A document longer than the model takes is cut into pieces, at the ends of paragraphs and
    sentences; each row says where it stands. OUT is a folder of Parquet files with the columns
    id, text, source, line, piece, start, end and vector. Rows that cannot be embedded are in
    OUT/_failed.jsonl; then the exit code is 1.

    However it ends early, the same command goes on from there: nothing that was finished is sent
    again. Ctrl-C waits for the requests in flight, and stops at once when pressed twice. When
    the input has changed, only texts that are new are sent.

    With --to the dataset is copied into TARGET at the end, as `ellmental export` does it;
    --overwrite then replaces what another dataset has left there, too.

    \b
    Examples:
      ellmental embed notes.txt -o vectors
      ellmental embed handbook/ faq.md -o vectors
      ellmental embed reviews.csv --column review --id review_id -o vectors
      EMBEDDING_GENERATOR=OPENAI ellmental embed articles.parquet -o vectors --overwrite
      ellmental embed 'logs/**/*.jsonl.gz' --keep day,user -o vectors
      ellmental embed shop.db --query "select id, body as text from reviews order by id" -o vectors
      ellmental embed handbook/ -o vectors --to postgresql://me@localhost/shop#handbook
    """  # noqa: D301 - click's own mark for lines to keep
    if halfvec and to is None:
        raise click.UsageError("--halfvec is about --to, which is missing.")
    from ..embedding import run_embed

    export = None
    if to is not None:
        from ..exporting import Export

        export = Export(to=to, overwrite=order.overwrite, halfvec=halfvec, as_json=as_json)
    if not run_embed(order, output, as_json=as_json, export=export):
        context.exit(1)
