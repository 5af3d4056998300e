"""The lists of docs/reference/testing.md, made from the code.

Written into the page by reference.py.
"""

from __future__ import annotations

import inspect

from ellmental_embeddings.testing import FAULTS, GeneratorContract

__all__ = ["part"]


def part(what: str) -> str:
    """``checks`` or ``faults``."""
    return _LISTS[what]()


def checks() -> str:
    """Every check, group by group, with what it means."""
    lines = []
    for group in GeneratorContract.__bases__:
        names = [name for name in vars(group) if name.startswith("test_")]
        lines += [f"{inspect.getdoc(group)}\n", "| check | what it means |", "|---|---|"]
        for name in names:
            lines.append(f"| `{name}` | {meaning(getattr(group, name))} |")
        lines.append("")
    return "\n".join(lines)


def meaning(check: object) -> str:
    """A check's docstring, on one line."""
    return " ".join((inspect.getdoc(check) or "").split()).replace("``", "`")


def faults() -> str:
    """The names of all faults."""
    return ", ".join(f"`{name}`" for name in FAULTS) + "."


_LISTS = {"checks": checks, "faults": faults}
