"""``ellmental fit-topics``: a model of one's own texts."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("fit-topics")
@click.argument("texts", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--topics", default=128, show_default=True, type=click.IntRange(1, 4096))
def command(texts: tuple[Path, ...], output: Path, topics: int) -> None:
    """Fit a model for TOPICS on TEXTS: files of UTF-8, a text a line.

    \b
    Example:
      ellmental fit-topics tickets.txt -o tickets.topics
    """  # noqa: D301 - click's own mark for lines to keep
    from .fitting import fitted
    from .model import save

    lines = [line for path in texts for line in _lines(path)]
    model = fitted(lines, topics)
    save(model, output)
    click.echo(str(output))
    click.echo(
        f"{len(lines)} texts, {len(model.words)} words, {len(model.topics)} topics, "
        f"revision {model.revision}",
        err=True,
    )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path} is no UTF-8: byte {error.start}") from None
