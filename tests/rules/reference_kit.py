"""The lists of docs/reference/testing.md, made from the code.

python tests/rules/reference_kit.py      writes them into the page
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from ellmental_embeddings.testing import FAULTS, GeneratorContract

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "testing.md"
_MARK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The page with every list as the code has it."""
    return _MARK.sub(lambda match: f"{match[1]}\n{_LISTS[match[2]]()}\n{match[3]}", text)


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


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), encoding="utf-8")
