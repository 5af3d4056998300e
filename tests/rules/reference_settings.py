"""Each setting under a heading of its own, made from the fields of the settings' classes."""

from __future__ import annotations

import types
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ByteSize, SecretStr
from reference_docstrings import as_cell

from ellmental_embeddings import CoreSettings, Variables, list_variables
from ellmental_embeddings.settings import variable_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ellmental_embeddings import Variable

__all__ = ["every_setting", "rows_of"]

Described = dict[str, list[tuple[str, str]]]

_KINDS: dict[Any, str] = {
    bool: "True or False",
    int: "A whole number",
    float: "A number",
    ByteSize: "A number of bytes",
    Path: "A path",
    SecretStr: "Text, which is masked wherever it would be shown",
    str: "Text",
    dict: "Lines of text, masked wherever they would be shown",
}
_BOUNDS = {Ge: ("ge", "at least"), Gt: ("gt", "above"), Le: ("le", "at most"), Lt: ("lt", "below")}


def rows_of(settings: type[CoreSettings]) -> list[Variable]:
    """The variables of a class, as they are where nothing is set."""
    nothing_set = Variables({})
    nothing_set.environment, nothing_set.env_file = {}, {}
    return list_variables(settings, nothing_set)


def every_setting(classes: dict[str, type[CoreSettings]]) -> str:
    """A heading for each variable, in the order of the tables.

    Args:
        classes: the settings, by what their generator is called on the page. The core's are first.
    """
    described: Described = {}
    core = {row.name for row in rows_of(CoreSettings)}
    for label, settings in classes.items():
        for field, row in zip(settings.model_fields, rows_of(settings), strict=True):
            if settings is CoreSettings or row.name not in core:
                told = described.setdefault(row.name, [])
                told.append((label, _told(settings, field, row)))
    return "\n\n".join(_section(name, told) for name, told in described.items())


def _section(name: str, told: list[tuple[str, str]]) -> str:
    labels, texts = [label for label, _ in told], {text for _, text in told}
    if len(texts) == 1:
        return f"### `{name}`\n\n{texts.pop()}\n\nFor {'; '.join(labels)}."
    return f"### `{name}`\n\n" + "\n".join(f"- For {label}: {text}" for label, text in told)


def _told(settings: type[CoreSettings], field: str, row: Variable) -> str:
    info = settings.model_fields[field]
    bare, limits = _taken_apart(info.annotation, list(info.metadata))
    kind = _KINDS[bare] if not row.choices else f"One of {_listed(row.choices)}"
    bounds = [f"{words} {getattr(limit, name):,}" for limit, name, words in _bounds(limits)]
    default = f"`{row.default}`" if row.default else "none; it must be set" if row.required else ""
    parts = [
        as_cell(row.meaning),
        f"{', '.join([kind, *bounds])}.",
        f"Default: {default or 'none'}.",
    ]
    if older := variable_names(settings, field)[1:]:
        known = [name for name in older if name != field.upper()]
        parts += [f"Also read from {_listed(tuple(known))}."] if known else []
    return " ".join(parts)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _bounds(limits: list[Any]) -> Iterator[tuple[Any, str, str]]:
    for limit in limits:
        if type(limit) in _BOUNDS:
            yield limit, *_BOUNDS[type(limit)]


def _taken_apart(annotation: Any, limits: list[Any]) -> tuple[Any, list[Any]]:
    """The type itself, without None, with the limits of every Annotated around it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _taken_apart(inner, limits + more)
    if origin in (Union, types.UnionType):
        (inner,) = (one for one in get_args(annotation) if one is not type(None))
        return _taken_apart(inner, limits)
    return (str if origin is Literal else origin or annotation), limits
