"""``ellmental generators``: what is installed, whether it is ready, and why not."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .output import note, table

if TYPE_CHECKING:
    from .. import GeneratorStatus

__all__ = ["command"]


@click.command("generators")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(name: str | None, as_json: bool) -> None:
    """List the installed generators, or describe one by its NAME.

    Nothing is sent. A plugin that is broken, blocked or slow to import is listed with the reason;
    it does not keep the others from working.

    \b
    Examples:
      ellmental generators
      ellmental generators LOCAL
      ellmental generators --json
    """  # noqa: D301 - click's own mark for lines to keep
    from .. import describe_generator, installed_generators

    statuses = installed_generators() if name is None else [describe_generator(name)]
    if as_json:
        shown = [_as_dict(status) for status in statuses]
        click.echo(json.dumps(shown if name is None else shown[0], indent=2))
    elif name is not None:
        click.echo(_description(statuses[0]))
    elif not statuses:
        note("No generator is installed. Try: pip install ellmental-embeddings-local")
    else:
        rows = [
            (status.label, status.state, f"{status.dist} {status.version}", status.summary)
            for status in statuses
        ]
        click.echo(table([("GENERATOR", "STATE", "FROM", "SUMMARY"), *rows]))
        for said in dict.fromkeys(line for status in statuses for line in _troubles(status)):
            note(f"\n{said}")


def _as_dict(status: GeneratorStatus) -> dict[str, Any]:
    return asdict(status)


def _troubles(status: GeneratorStatus) -> list[str]:
    """What is amiss, each beginning with the generator's label."""
    said = filter(None, (status.reason, status.warning))
    return [one if one.startswith(status.label) else f"{status.label}: {one}" for one in said]


def _description(status: GeneratorStatus) -> str:
    facts = [
        ("generator", status.label),
        ("summary", status.summary),
        ("from", f"{status.dist} {status.version}"),
        ("state", status.state),
    ]
    if status.state == "ready":  # else its backend, which says all this, was not made
        facts += [
            ("model", status.model.name or "not known yet"),
            ("revision", status.model.revision or "not known"),
            ("dimensions", _or_unknown(status.model.dimensions)),
            ("texts a request", _or_unknown(status.limits.items)),
            ("tokens a request", _or_unknown(status.limits.tokens)),
            ("tokens a text", _or_unknown(status.limits.tokens_per_text)),
        ]
    variables = [
        (row.name, "required" if row.required else f"default: {row.default or 'none'}", row.meaning)
        for row in status.variables
    ]
    parts = [table([(f"{name}:", value) for name, value in facts])]
    parts += filter(None, (status.reason, status.warning))
    if variables:
        parts.append("Variables:\n" + table(variables, indent="  "))
    return "\n\n".join(parts)


def _or_unknown(value: int | None) -> str:
    return "not known" if value is None else f"{value:,}"
