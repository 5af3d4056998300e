"""The command line, read from the parser itself, as Markdown."""

from __future__ import annotations

import ast
import inspect
import re
from itertools import pairwise
from typing import Any

import click
from reference_docstrings import as_cell

from ellmental_embeddings.cli import exit_codes
from ellmental_embeddings.cli.main import make_group

__all__ = ["part"]

_DEFAULT = re.compile(r"\s*(?:\[default: (.*)\]|; default: (.*))$")


def part(what: str) -> str:
    """``commands``, ``options``, ``exit codes``, or a command, named."""
    group = make_group()
    context = click.Context(group, info_name="ellmental")
    if what == "commands":
        return _commands(group, context)
    if what == "options":
        return _options([*group.params, group.get_help_option(context)])
    if what == "exit codes":
        return _exit_codes()
    command = group.get_command(context, what)
    assert command is not None, what
    return _described(command, context)


def _commands(group: click.Group, context: click.Context) -> str:
    lines = ["| command | package | does |", "|---|---|---|"]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        dist = inspect.unwrap(command.callback or _commands).__module__.partition(".")[0]
        does = as_cell(_paragraphs(command)[0])
        lines.append(f"| {_usage(command, context)} | `{dist.replace('_', '-')}` | {does} |")
    return "\n".join(lines)


def _described(command: click.Command, context: click.Context) -> str:
    return "\n\n".join(
        [
            f"    {_usage(command, context).strip('`')}",
            *_paragraphs(command),
            _options(command.params),
        ]
    )


def _usage(command: click.Command, parent: click.Context) -> str:
    """As ``--help`` has it, but for what must be given: that is shown instead of OPTIONS."""
    context = click.Context(command, info_name=command.name, parent=parent)
    words = command.collect_usage_pieces(context)[1:]
    must = [_option_names(one)[-1] for one in command.params if _is_option(one) and one.required]
    return f"`ellmental {' '.join([str(command.name), *words, *must])}`"


def _paragraphs(command: click.Command) -> list[str]:
    """The text of ``--help``; what click leaves as it is, by its mark, is code here."""
    parts = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")):
        kept = block.startswith("\b")
        lines = block.removeprefix("\b").strip("\n").splitlines()
        if kept and lines[0] == "Examples:":
            parts += ["Examples:", "\n".join(f"    {line.strip()}" for line in lines[1:])]
        elif kept:
            parts.append("\n".join(f"    {line}" for line in lines))
        else:
            parts.append(as_cell(block))
    return parts


def _is_option(parameter: click.Parameter | None) -> bool:
    return isinstance(parameter, click.Option) and not parameter.hidden


def _options(parameters: list[Any]) -> str:
    rows = [_row(one) for one in parameters if _is_option(one)]
    if not rows:
        return "No options."
    return "\n".join(["| option | default | meaning |", "|---|---|---|", *rows])


def _row(option: click.Option) -> str:
    text = option.help or ""
    said = _DEFAULT.search(text)
    default = "required" if option.required else _default(option)
    if said:
        text, default = text[: said.start()], said[1] or said[2].rstrip(".")
        text = text if text.endswith((".", "!")) else f"{text}."
    if isinstance(option.type, click.Choice):
        choices = [f"`{choice}`" for choice in option.type.choices]
        text = f"{text} One of {', '.join(choices)}.".strip()
    names = ", ".join(f"`{name}`" for name in _option_names(option))
    return f"| {names} | {as_cell(default)} | {as_cell(text)} |"


def _option_names(option: Any) -> list[str]:
    names = [*option.opts, *option.secondary_opts]
    if not option.is_flag:
        value = "CHOICE" if isinstance(option.type, click.Choice) else option.type.name.upper()
        names[-1] += f" {option.metavar or value}"
    return names


def _default(option: click.Option) -> str:
    value = option.default
    if isinstance(value, bool):
        return f"`{option.opts[0]}`" if value and option.secondary_opts else ""
    return f"`{value}`" if isinstance(value, str | int | float) else ""


def _exit_codes() -> str:
    """The constants of ``exit_codes`` and what stands below each."""
    lines = ["| code | meaning |", "|---|---|"]
    body = ast.parse(inspect.getsource(exit_codes)).body
    for node, below in pairwise(body):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        if (name := node.targets[0].id) in exit_codes.__all__:
            assert isinstance(below, ast.Expr), f"{name} has no line below it"
            assert isinstance(below.value, ast.Constant), name
            lines.append(f"| {getattr(exit_codes, name)} | {as_cell(str(below.value.value))} |")
    return "\n".join(lines)
