"""``__all__`` of every module: sorted, and complete, read from the source."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_rules_walls import ROOT, imports, package_of

if TYPE_CHECKING:
    from collections.abc import Iterable

FILES = sorted([*ROOT.glob("core/src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")])
MODULES = {
    ".".join([*package_of(path), *([] if path.stem == "__init__" else [path.stem])]): path
    for path in FILES
    if path.stem != "__main__"
}


def wanted_elsewhere() -> dict[str, set[str]]:
    """The public names that other modules import from each module."""
    found: dict[str, set[str]] = {}
    for path in FILES:
        for module, name in imports(path):
            if module in MODULES and name and not name.startswith("_"):
                found.setdefault(module, set()).add(name)
    return found


def listed(tree: ast.Module) -> list[str] | None:
    """``__all__`` as it is written; None where it is not there, or is no list of literals."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def faults(source: str, wanted: Iterable[str] = ()) -> list[str]:
    """What is wrong with a module's ``__all__``.

    It has each public function and class of the module, and each name that other modules want.
    """
    tree = ast.parse(source)
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    # What stands below TYPE_CHECKING, or was imported, is not the module's own to offer.
    bound = defined | {
        target.id
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    needed = {name for name in defined if not name.startswith("_")} | (set(wanted) & bound)
    names = listed(tree)
    if names is None:
        return ["no __all__"] if needed else []
    found = [f"missing: {name}" for name in sorted(needed - set(names))]
    found += [
        f"twice: {name}" for name in sorted({name for name in names if names.count(name) > 1})
    ]
    there = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | defined
    there |= {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    found += [f"not there: {name}" for name in names if name not in there]
    if names not in (sorted(names), sorted(names, key=_as_ruff_sorts)):
        found.append("not sorted")
    return found


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_every_module_lists_all_its_public_names_sorted() -> None:
    """Of the core and of all plugins; what another module imports is public, and listed."""
    assert len(MODULES) > 150
    wanted = wanted_elsewhere()
    submodules = {
        module: {name.rpartition(".")[2] for name in MODULES if name.rpartition(".")[0] == module}
        for module in MODULES
    }
    found = {
        module: wrong
        for module, path in MODULES.items()
        if (
            wrong := faults(
                Path(path).read_text("utf-8"), wanted.get(module, set()) - submodules[module]
            )
        )
    }
    assert found == {}


@pytest.mark.parametrize(
    ("source", "wanted", "fault"),
    [
        ("__all__ = []\ndef f(): ...", [], "missing: f"),
        ("__all__ = ['Box']\nclass Box: ...\nasync def f(): ...", [], "missing: f"),
        ("__all__ = ['f']\ndef f(): ...\nLIMIT = 3", ["LIMIT"], "missing: LIMIT"),
        ("def f(): ...", [], "no __all__"),
        ("__all__ = ['f', 'gone']\ndef f(): ...", [], "not there: gone"),
        ("__all__ = ['g', 'f']\ndef f(): ...\ndef g(): ...", [], "not sorted"),
        ("__all__ = ['f', 'f']\ndef f(): ...", [], "twice: f"),
    ],
)
def test_every_fault_would_be_found(source: str, wanted: list[str], fault: str) -> None:
    """Each way to forget a name is seen; a module that is right has none."""
    assert faults(source, wanted) == [fault]
    assert faults("__all__ = ['LIMIT', 'Box', 'f']\nLIMIT = 3\nclass Box: ...\ndef f(): ...") == []
