"""The public names: what is exported, what is drawn, what is documented."""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ellmental_embeddings
from ellmental_embeddings import CoreSettings, backend, errors, hookspecs
from ellmental_embeddings.cli.main import make_group
from ellmental_embeddings.settings import variable_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "core" / "src" / "ellmental_embeddings"
REFERENCE = ROOT / "docs" / "reference"


def test_public_names_are_sorted_and_each_once() -> None:
    """``__all__`` reads like an index, and ``dir`` shows the same."""
    names = ellmental_embeddings.__all__
    assert names == sorted(set(names))
    assert dir(ellmental_embeddings) == names


@pytest.mark.parametrize("name", ellmental_embeddings.__all__)
def test_public_name_can_be_imported(name: str) -> None:
    """Every name of ``__all__`` leads to its object."""
    assert getattr(ellmental_embeddings, name) is not None


def test_type_checkers_see_the_same_public_names() -> None:
    """The imports for type checkers are ``__all__``, from the modules the lazy ones come from."""
    seen: dict[str, str] = {}
    for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            seen |= {alias.name: node.module for alias in node.names}
    assert sorted(seen) == ellmental_embeddings.__all__
    for name, module in seen.items():
        home = importlib.import_module(f"ellmental_embeddings.{module}")
        assert getattr(ellmental_embeddings, name) is getattr(home, name)


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that is not public is refused in Python's own words."""
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        _ = ellmental_embeddings.no_such_name


@pytest.mark.parametrize("module", [errors, backend], ids=["errors", "backend"])
def test_every_public_class_for_plugin_authors_is_exported(module: ModuleType) -> None:
    """What a backend raises, takes and returns comes from the package itself."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    public = {name for name in classes if not name.startswith("_")}
    assert public
    assert public <= set(module.__all__)
    assert set(module.__all__) <= set(ellmental_embeddings.__all__)


def test_every_module_lists_its_public_names() -> None:
    """``__all__`` of each module is sorted, and names what is there."""
    for path in sorted(PACKAGE.glob("*.py")):
        if path.stem.startswith("__"):
            continue
        module = importlib.import_module(f"ellmental_embeddings.{path.stem}")
        assert sorted(module.__all__, key=_sorting) == module.__all__, path
        assert all(hasattr(module, name) for name in module.__all__), path


def _sorting(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


# The tree of errors


def drawn_tree(text: str) -> dict[str, str | None]:
    """Each class of a drawing with the one it hangs on."""
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in text.splitlines():
        found = re.match(r"    ([│ ├└─]*)([A-Z]\w+)  ", line)
        if found:
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            parents[found[2]] = path[depth - 1] if depth else None
    return parents


def test_drawn_tree_of_errors_is_the_real_one() -> None:
    """The drawing at the top of errors.py has every class, under its base."""
    real = {
        name: base if (base := getattr(errors, name).__base__.__name__) != "Exception" else None
        for name in errors.__all__
    }
    assert drawn_tree(errors.__doc__ or "") == real
    assert len(real) == 14


# The reference


def headings(page: str) -> list[str]:
    """The headings of a page of the reference."""
    lines = (REFERENCE / page).read_text("utf-8").splitlines()
    return [line for line in lines if re.match("#{2,4} ", line)]


def plugin_variables() -> Iterator[str]:
    """The variables in the settings of every plugin in the repository, from their source."""
    for path in sorted(ROOT.glob("plugins/*/src/*/settings.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ClassDef) or not node.name.endswith("Settings"):
                continue
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    alias = re.search(r"validation_alias=\D*?['\"](\w+)", ast.unparse(line))
                    yield alias[1] if alias else line.target.id.upper()


def missing_from(page: str, names: list[str]) -> list[str]:
    """The names that are not, in backticks, the one subject of a heading of the page."""
    found = Counter(
        match[2]
        for line in headings(page)
        if (match := re.fullmatch(r"#+ `(ellmental )?([\w-]+)[^`]*`", line))
    )
    return [name for name in names if found[name] != 1]


def test_every_setting_is_in_the_reference() -> None:
    """Each variable, of the core and of the plugins, has its heading and its row."""
    core = [variable_names(CoreSettings, field)[0] for field in CoreSettings.model_fields]
    names = [*core, *plugin_variables()]
    assert "LOCAL_MODEL" in names
    assert missing_from("settings.md", names) == []
    text = (REFERENCE / "settings.md").read_text("utf-8")
    assert [name for name in names if f"\n| [`{name}`](#{name.lower()}) |" not in text] == []


def test_every_hook_is_in_the_reference() -> None:
    """Each hook has its heading."""
    hooks = [name for name in hookspecs.__all__ if name.startswith("ellmental_")]
    assert len(hooks) == 2
    assert missing_from("hooks.md", hooks) == []


def test_every_error_is_in_the_reference() -> None:
    """Each error has its heading."""
    assert missing_from("errors.md", list(errors.__all__)) == []


def test_every_command_is_in_the_reference() -> None:
    """Each command, also those of other dists, has its heading."""
    import click

    group = make_group()
    commands = group.list_commands(click.Context(group))
    assert {"vector", "embed", "completion"} <= set(commands)
    assert missing_from("cli.md", commands) == []


def test_missing_entries_would_be_found() -> None:
    """The search for a name in the reference can fail."""
    assert missing_from("settings.md", ["BATCH_SIZ", "NO_SUCH", "BATCH_SIZE"]) == [
        "BATCH_SIZ",
        "NO_SUCH",
    ]
    assert missing_from("hooks.md", ["ellmental_generator"]) == ["ellmental_generator"]
