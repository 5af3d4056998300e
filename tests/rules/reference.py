"""The parts of docs/reference that are made from the code.

python tests/rules/reference.py      writes them into the pages

Such a part stands between ``<!-- from the code: WHAT -->`` and ``<!-- end -->``; all around it is
written by hand. What a page may ask for is in PAGES.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import reference_cli
import reference_errors
import reference_hooks
import reference_kit
import reference_objects
import reference_tables

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FOLDER", "PAGES", "asked", "filled"]

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES: dict[str, Callable[[str], str]] = {
    "cli.md": reference_cli.part,
    "errors.md": reference_errors.part,
    "hooks.md": reference_hooks.part,
    "python-authors.md": reference_objects.part,
    "python-compatible.md": reference_objects.part,
    "python-kit.md": reference_objects.part,
    "python-users.md": reference_objects.part,
    "settings.md": reference_tables.part,
    "testing.md": reference_kit.part,
}
"""Who makes the parts of which page."""

_PART = re.compile(r"(<!-- from the code: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """A page with every part as the code has it."""
    text = (FOLDER / page).read_text("utf-8")
    return _PART.sub(lambda match: match[1] + _made(page, match[2]) + match[3], text)


def _made(page: str, what: str) -> str:
    lines = PAGES[page](what).strip("\n")
    return f"\n{lines}\n\n"


def asked(page: str) -> list[str]:
    """What a page asks for, part by part."""
    return [match[2] for match in _PART.finditer((FOLDER / page).read_text("utf-8"))]


if __name__ == "__main__":
    for each in PAGES:
        (FOLDER / each).write_text(filled(each), encoding="utf-8")
