"""The tests that the documentation names as proof are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "explanation" / "nothing-lost.md"


def missing(text: str) -> list[str]:
    """Tests that a text names as ``file::name`` and that are not below ``tests``."""
    named = set(re.findall(r"`([\w/.]+\.py::\w+)`", text))
    return sorted(name for name in named if not _is_there(*name.split("::")))


def _is_there(file: str, name: str) -> bool:
    path = TESTS / file
    if not (name.startswith("test_") and path.is_file()):
        return False
    body = ast.parse(path.read_text("utf-8")).body
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in body)


def test_each_failure_seen_elsewhere_has_tests_that_are_there() -> None:
    """No line without a test, and none that was renamed or taken away."""
    text = PAGE.read_text("utf-8")
    assert missing(text) == []
    tables = text.partition("seen elsewhere")[2]
    lines = re.findall(r"^\| (?!failure)(.*) \|$", tables, re.MULTILINE)
    assert len(lines) > 25
    assert [line for line in lines if ".py::test_" not in line] == []


def test_a_test_that_is_gone_would_be_seen() -> None:
    """Another file, another name, a helper."""
    here = "rules/test_rules_proofs.py"
    named = f"`rules/gone.py::test_x` `{here}::test_gone` `{here}::missing`"
    assert missing(named) == ["rules/gone.py::test_x", f"{here}::missing", f"{here}::test_gone"]
