"""``ellmental map``: its options. What it does is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

__all__ = ["draw"]


@click.command("map")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="HTML file to write.  [default: OUT.html]",
)
@click.option("--color", "--colour", "colour", metavar="COLUMN", help="Column that colours.")
@click.option(
    "--where", metavar="CONDITION", help="Only rows whose columns fulfil it, as of search."
)
@click.option(
    "--limit",
    default=20_000,
    show_default=True,
    metavar="N",
    type=click.IntRange(min=1),
    help="Most rows to draw; of more, so many are taken by chance.",
)
@click.option(
    "--layout",
    type=click.Choice(["pca", "umap"]),
    default="pca",
    show_default=True,
    help="How vectors become places; umap needs umap-learn.",
)
@click.option("--open/--no-open", "opens", default=True, help="Whether to open a browser.")
def draw(
    out: Path,
    *,
    output: Path | None,
    colour: str | None,
    where: str | None,
    limit: int,
    layout: Literal["pca", "umap"],
    opens: bool,
) -> None:
    """Draw the rows of OUT as a picture in the browser.

    What is near is alike. Writes one HTML file that needs no network and no server: a point a row,
    its text under the mouse, a box to search in the texts. Sends nothing and needs no generator.

    \b
    Examples:
      ellmental map vectors
      ellmental map vectors -o map.html --color source --no-open
      ellmental map vectors --where "source LIKE 'faq/%'" --layout umap
    """  # noqa: D301 - click's own mark for lines to keep
    from ..mapping import Asked, run_map

    target = output or out.with_name(f"{out.name}.html")
    run_map(
        Asked(
            out=out,
            output=target,
            colour=colour,
            where=where,
            limit=limit,
            layout=layout,
            opens=opens,
        )
    )
