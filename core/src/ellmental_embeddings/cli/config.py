"""``ellmental config``: every setting, its value, and where it came from."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from .output import note, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .. import GeneratorStatus, Variable

__all__ = ["command"]

_COLUMNS = 80
"""Of a template's comments."""


@click.command("config")
@click.option(
    "-g",
    "--generator",
    "name",
    metavar="NAME",
    help="Show this one's, whatever EMBEDDING_GENERATOR says.",
)
@click.option("--template", is_flag=True, help="Print an .env file with comments instead.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(name: str | None, template: bool, as_json: bool) -> None:
    """Show the settings in force for the chosen generator. Keys are masked.

    Values come from the environment, else from .env in this folder, else they are defaults.

    \b
    Examples:
      ellmental config
      ellmental config --template > .env
      ellmental config -g OPENAI --template
    """  # noqa: D301 - click's own mark for lines to keep
    from .. import (
        ConfigurationError,
        CoreSettings,
        Variables,
        describe_generator,
        list_variables,
    )

    variables = Variables({} if name is None else {"EMBEDDING_GENERATOR": name})
    chosen = variables.find("EMBEDDING_GENERATOR")
    try:
        status = describe_generator("LOCAL" if chosen is None else str(chosen[0]), variables)
    except ConfigurationError:
        if not template:
            _show(list_variables(CoreSettings, variables), as_json=as_json)
        raise
    if template:
        click.echo(_template(status), nl=False)
        return
    _show(status.variables, as_json=as_json)
    if passed_over := variables.passed_over():
        note(f"warning: {passed_over}")
    for as_set, meant in variables.near_misses(row.name for row in status.variables):
        note(f"warning: {as_set} is set; did you mean {meant}?")
    if status.state != "ready":
        raise ConfigurationError(status.reason)


def _show(variables: Iterable[Variable], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(row) for row in variables], indent=2))
        return
    rows = [(row.name, "-" if row.value is None else row.value, row.source) for row in variables]
    click.echo(table([("VARIABLE", "VALUE", "FROM"), *rows]))


def _template(status: GeneratorStatus) -> str:
    """An .env file: what is needed first, to fill in; all else commented out at its default."""
    lines = [
        f"# Settings of the embedding generator {status.name}: {status.dist} {status.version}.",
        "# What begins with # is a comment. A setting in one has the default shown.",
        "",
        f"EMBEDDING_GENERATOR={status.name}",
        *(["=".join(status.variant)] if status.variant else []),
        "",
    ]
    written = {"EMBEDDING_GENERATOR", *(status.variant or ())[:1]}
    needed = {row.name for row in status.variables if row.required} | set(status.missing)
    for row in sorted(status.variables, key=lambda row: row.name not in needed):
        if row.name not in written:
            lines += _template_lines(row, needed=row.name in needed)
    return "\n".join(lines)


def _template_lines(row: Variable, *, needed: bool) -> list[str]:
    choices = f" One of: {', '.join(row.choices)}." if row.choices else ""
    setting = f"{row.name}=" if needed else f"#{row.name}={row.default or ''}"
    meaning = textwrap.fill(
        f"{' '.join(row.meaning.split())}{choices}",
        _COLUMNS,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [meaning, setting, ""]
