"""``ellmental export``: its options. What it does is imported when it is called."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["export", "halfvec_option", "to_option"]

_HELP = (
    "lancedb:FOLDER#TABLE, sqlite:FILE#TABLE, postgresql://USER@HOST/DATABASE#TABLE or FILE.npy."
)
to_option = click.option("--to", metavar="TARGET", help=f"Copy it at the end: {_HELP}")
halfvec_option = click.option(
    "--halfvec", is_flag=True, help="PostgreSQL: store numbers of 16 bits, indexed up to 4,000."
)


@click.command()
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--to", metavar="TARGET", required=True, help=f"Where to: {_HELP}")
@halfvec_option
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace what an export of another dataset, or of another space, has left there; also "
    "compare every row.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON on stdout.")
@click.pass_context
def export(
    context: click.Context,
    out: Path,
    *,
    to: str,
    halfvec: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Copy the rows of OUT into a vector database or NumPy files.

    TARGET holds exactly the rows of OUT afterwards: new and changed ones are written, those that
    OUT has no more are deleted, and a command that is repeated writes nothing. One that was
    killed is completed by the same command. What another dataset or another program has left
    there is refused. Sends nothing and needs no generator.

    Passwords are best left to PGPASSWORD or ~/.pgpass.

    \b
    Examples:
      ellmental export vectors --to lancedb:database#handbook
      ellmental export vectors --to sqlite:search.db#handbook
      ellmental export vectors --to postgresql://me@localhost/shop#handbook
      ellmental export vectors --to vectors.npy
    """  # noqa: D301 - click's own mark for lines to keep
    from ..exporting import Export, run_export

    asked = Export(to=to, overwrite=overwrite, halfvec=halfvec, as_json=as_json)
    if not run_export(out, asked):
        context.exit(1)
