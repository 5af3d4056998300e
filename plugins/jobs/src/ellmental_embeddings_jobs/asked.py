"""What the user asked of the input, the same for every command that reads files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from .target import folders_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ellmental_embeddings import EmbeddingGenerator

    from .sources import Opened
    from .splitting import Splitter

__all__ = ["Asked", "open_input", "splitter_for"]

_TAKEN = ("id", "text", "source", "line", "piece", "start", "end", "vector", "scale")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options that say what is read, and how.

    Attributes:
        sources: files, folders, patterns, or ``-``.
        column: the texts' column, or None for ``text``.
        id_column: the ids' column, or None.
        keep: names of columns to keep.
        per_file: a text file is one document.
        query: what is asked of databases, or None.
        format: the format of all files, or None.
        split_tokens: most tokens of a piece, or None for what the model takes.
        overlap: tokens that a piece repeats of the one before it.
        on_bad: whether what cannot be read is passed over, or ends everything.
    """

    sources: tuple[str, ...]
    column: str | None = None
    id_column: str | None = None
    keep: tuple[str, ...] = ()
    per_file: bool = False
    query: str | None = None
    format: str | None = None
    split_tokens: int | None = None
    overlap: int = 0
    on_bad: Literal["skip", "stop"] = "skip"

    def settings(self, limit: int | None, kept: Sequence[object]) -> dict[str, object]:
        """What decides about the rows, for the manifest; what is not asked for is left out.

        Args:
            limit: tokens of a piece.
            kept: Arrow fields of the kept columns.
        """
        types = {str(getattr(one, "name", "")): str(getattr(one, "type", "")) for one in kept}
        unusual = {
            "keep": types or None,
            "per_file": self.per_file or None,
            "query": self.query,
            "format": self.format,
            "overlap": self.overlap or None,
        }
        return {
            "max_tokens": limit,
            "column": self.column,
            "id": self.id_column,
            "sources": list(self.sources),
            **{name: value for name, value in unusual.items() if value is not None},
        }


def open_input(asked: Asked, output: Path | None = None) -> Opened:
    """Find and check all sources.

    Args:
        asked: what is read, and how.
        output: the dataset that is written: its own files are no input.

    Raises:
        FilesError: naming every file that cannot be used.
        click.UsageError: an option is for a kind of source that none is of.
    """
    from .sources import Columns, Reading, open_sources

    for name in asked.keep:
        if name in _TAKEN:
            more = " (its values are the ids with --id)" if name == "id" else ""
            raise click.UsageError(
                f"--keep {name}: a dataset has a column of that name of its own{more}."
            )
    reading = Reading(
        columns=Columns(asked.column or "text", asked.id_column, asked.keep),
        per_file=asked.per_file,
        query=asked.query,
        format=asked.format,
        on_bad=asked.on_bad,
        without=() if output is None else tuple(f.resolve() for f in folders_of(output)),
    )
    sources = open_sources(asked.sources, reading)
    named = asked.column or asked.id_column or asked.keep
    if named and not any(source.has_columns for source in sources):
        raise click.UsageError(
            "--column, --id and --keep are for tables (.csv, .jsonl, .parquet, ...): "
            "no source has columns."
        )
    if asked.query is not None and not any(source.is_database for source in sources):
        raise click.UsageError("--query is for databases (SQLite, DuckDB): no source is one.")
    return sources


def splitter_for(generator: EmbeddingGenerator, asked: Asked) -> Splitter:
    """What cuts long documents: into pieces as asked for, where the model takes that much.

    Raises:
        click.UsageError: the model takes no such pieces.
    """
    from .splitting import Splitter

    tokens, takes = asked.split_tokens, generator.limits.tokens_per_text
    if tokens is not None and takes is not None and tokens > takes:
        raise click.UsageError(f"--split-tokens {tokens}: {generator.name} takes {takes} at most.")
    least = generator.count_tokens("a")
    if tokens is not None and least is not None and tokens < least:
        raise click.UsageError(
            f"--split-tokens {tokens}: with {generator.name} one letter is {least} tokens already."
        )
    limit = tokens or takes
    if asked.overlap and limit is None:
        raise click.UsageError(
            f"--overlap: how much {generator.name} takes is not known. Say --split-tokens as well."
        )
    if asked.overlap and limit is not None and asked.overlap * 2 > limit:
        raise click.UsageError(
            f"--overlap {asked.overlap}: at most half of the {limit} tokens of a piece."
        )
    return Splitter(limit, generator.most_tokens, generator.count_tokens, overlap=asked.overlap)
