"""Google-style docstrings as Markdown."""

from __future__ import annotations

import inspect
import re
from textwrap import dedent

__all__ = ["as_cell", "as_markdown"]

_SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):$")
_LISTS = {"Args", "Attributes", "Raises"}
_CODE = re.compile(r"(`[^`]+`)")
_MEANT = re.compile(r"[<>*\[\]]|(?<!\w)_|_(?!\w)")
"""What Markdown would take for its own; an underscore inside a word is none of that."""


def as_markdown(thing: object) -> str:
    """The docstring of an object: its paragraphs, then its sections as lists."""
    parts: list[str] = []
    for block in re.split(r"\n\s*\n", inspect.getdoc(thing) or ""):
        first, *rest = block.splitlines() or [""]
        if section := _SECTION.match(first):
            parts.append(_section(section[1], dedent("\n".join(rest))))
        elif first.startswith("    "):
            parts.append(block)
        else:
            parts.append(_prose(re.sub(r"(^|:):$", r"\1", block)))
    return "\n\n".join(part for part in parts if part)


def as_cell(text: str) -> str:
    """A text that may stand in a table."""
    return _prose(text).replace("|", "\\|")


def _section(name: str, text: str) -> str:
    if name not in _LISTS:
        return f"**{name}:** {_prose(text)}"
    lines = [f"- {_names(names)}: {_prose(what)}" for names, what in _items(text)]
    return "\n".join([f"**{name}:**\n", *lines])


def _items(text: str) -> list[tuple[str, str]]:
    """``names: what it is`` each; the names, and what they are, may take several lines."""
    items: list[str] = []
    for line in text.splitlines():
        if line.startswith(" ") or (items and ":" not in items[-1]):
            items[-1] += f" {line.strip()}"
        else:
            items.append(line)
    return [(names, what) for names, _, what in (item.partition(": ") for item in items)]


def _names(names: str) -> str:
    return ", ".join(f"`{name.strip().strip('`')}`" for name in names.split(","))


def _prose(text: str) -> str:
    """On one line, so that no end of a line depends on where the docstring stands."""
    line = " ".join(text.replace("``", "`").split())
    return "".join(
        part if part.startswith("`") else _MEANT.sub(r"\\\g<0>", part) for part in _CODE.split(line)
    )
