"""The tour of the house shows the house: its tree, and the names on the way of the data."""

from __future__ import annotations

import ast
import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "architecture.md"
CORE = ROOT / "core" / "src" / "ellmental_embeddings"

FOLDERS = ("core/src/*/*/", "plugins/*/", "tests/*/", "docs/*/", "plugins/jobs/src/*/*/")

_STEP = 2
"""Blanks that a folder's content is indented by."""


def tree(text: str) -> set[PurePosixPath]:
    """The paths in the page's first block."""
    shown = re.search(r"^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert shown
    above: list[str] = []
    found = set()
    for line in shown[1].splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // _STEP
        above = [*above[:depth], name.rstrip("/")]
        found.add(PurePosixPath(*above))
    return found


def names_in(path: Path) -> set[str]:
    """The functions and classes of a file, methods as Class.method."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{one.name}"
                for one in node.body
                if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return found


def way(text: str) -> list[tuple[str, str]]:
    """Pairs of file and name in the table of the way of the data."""
    return re.findall(r"`([\w/]+\.py)` `([\w.]+)`", text)


def test_what_the_tree_shows_is_there() -> None:
    """No file or folder that is gone."""
    shown = tree(PAGE.read_text("utf-8"))
    assert len(shown) > 80
    assert [str(path) for path in sorted(shown) if not (ROOT / path).exists()] == []


def test_the_tree_shows_what_is_there() -> None:
    """Each module of the core and of its engine, and each folder down to where names explain."""
    shown = tree(PAGE.read_text("utf-8"))
    modules = [*CORE.glob("*.py"), *CORE.glob("engine/*.py")]
    folders = [
        path
        for pattern in (
            "core/src/*/*/",
            "plugins/*/",
            "tests/*/",
            "docs/*/",
            "plugins/jobs/src/*/*/",
        )
        for path in ROOT.glob(pattern)
        if path.is_dir() and any(path.glob("*.*")) and not path.name.startswith(("_", "."))
    ]
    assert len(modules) > 50
    assert len(folders) > 20
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (*modules, *folders)
        if path != CORE / "engine" / "__init__.py"  # it only says what the folder is
    }
    assert sorted(wanted - {str(path) for path in shown}) == []


def test_names_on_the_way_of_the_data_are_there() -> None:
    """Each step is a function or a method of the file that the page says."""
    steps = way(PAGE.read_text("utf-8"))
    assert len(steps) > 15
    assert [step for step in steps if step[1] not in names_in(CORE / step[0])] == []


def test_what_is_not_there_is_found() -> None:
    """A tree is read by its indentation; a method that is gone is missed."""
    read = tree("```text\ncore/   the core\n  a.py  one\n  b/\n    c.py  two\nd/\n```")
    assert read == {
        PurePosixPath(one) for one in ("core", "core/a.py", "core/b", "core/b/c.py", "d")
    }
    assert way("| x | `engine/run.py` `Engine.ran`, `a.py` `b` |") == [
        ("engine/run.py", "Engine.ran"),
        ("a.py", "b"),
    ]
    assert "Engine.ran" not in names_in(CORE / "engine" / "run.py")
