"""The test kit: its public names, its reference, and that every generator of ours passes it."""

from __future__ import annotations

import ast
import importlib
import inspect
import tomllib
from pathlib import Path

import pytest
from reference_kit import PROMISES

from ellmental_embeddings import testing
from ellmental_embeddings.testing import GeneratorContract

ROOT = Path(__file__).resolve().parents[2]
CHECKS = sorted(name for name in dir(GeneratorContract) if name.startswith("test_"))


def announced() -> list[tuple[str, str]]:
    """Dist folder and generator of every entry point in the repository."""
    return [
        (path.parent.name, name)
        for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))
        for name in tomllib.loads(path.read_text("utf-8"))["project"]["entry-points"].get(
            "ellmental_embeddings", {}
        )
    ]


def proven(dist: str) -> set[str]:
    """The generators that a dist's contracts name."""
    path = ROOT / "tests" / dist / f"test_{dist}_contract.py"
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                is_name = isinstance(key, ast.Constant) and key.value == "EMBEDDING_GENERATOR"
                if is_name and isinstance(value, ast.Constant):
                    names.add(str(value.value))
    return names


@pytest.mark.parametrize(("dist", "generator"), announced())
def test_every_generator_of_ours_has_its_contract(dist: str, generator: str) -> None:
    """What we ask of others we keep: a contract for each name that a plugin announces."""
    assert generator in proven(dist)


def kinds() -> dict[str, set[str]]:
    """The bases of every class in the tests, by name."""
    return {
        node.name: {ast.unparse(base) for base in node.bases}
        for path in sorted(ROOT.glob("tests/*/*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    }


def is_contract(name: str, bases: dict[str, set[str]]) -> bool:
    """Whether a class is a GeneratorContract, by itself or through its bases."""
    return name == "GeneratorContract" or any(
        is_contract(base, bases) for base in bases.get(name, ())
    )


def test_what_proves_a_generator_is_a_contract_that_pytest_collects() -> None:
    """Each class that names a generator inherits all checks, and is run."""
    found, bases = 0, kinds()
    for dist, _ in announced():
        path = ROOT / "tests" / dist / f"test_{dist}_contract.py"
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and "EMBEDDING_GENERATOR" in ast.unparse(node):
                found += 1
                assert node.name.startswith("Test"), path
                assert is_contract(node.name, bases), path
    assert found >= len(announced())
    assert not is_contract("TestLocal", {**bases, "TestLocal": {"object"}})


def test_contracts_of_ours_override_no_check() -> None:
    """None of our contracts replaces a check, with a reason or without."""
    for path in sorted(ROOT.glob("tests/*/test_*_contract.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                own = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
                assert not own & set(CHECKS), path


def test_kit_names_are_sorted_and_lead_to_their_objects() -> None:
    """``__all__`` of the kit is complete: types for checkers and lazy names are the same."""
    names = testing.__all__
    assert sorted(names, key=lambda name: (name.lower() == name, not name.isupper(), name)) == names
    assert dir(testing) == sorted(names)
    tree = ast.parse(inspect.getsource(testing))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
        for alias in node.names
    }
    assert set(seen) == set(names)
    for name, module in seen.items():
        home = importlib.import_module(f"ellmental_embeddings.testing.{module}")
        assert getattr(testing, name) is getattr(home, name)
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = testing.no_such_name


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_says_what_it_means(name: str) -> None:
    """A check's docstring is what its users read when it fails, and in the reference."""
    assert (inspect.getdoc(getattr(GeneratorContract, name)) or "").endswith(".")


def test_every_check_belongs_to_one_promise() -> None:
    """The list of what is proven leaves no check out, and names none that is not there."""
    named = [f"test_{name}" for checks in PROMISES.values() for name in checks.split()]
    assert sorted(named) == CHECKS


def test_there_are_many_checks() -> None:
    """What the checks' own tests go through is not empty."""
    assert len(CHECKS) > 40
