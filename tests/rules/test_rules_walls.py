"""What may import what, how long things may be, and the one shape of all dists."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ellmental_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "core" / "src" / "ellmental_embeddings"
DISTS = sorted(path.parent for path in ROOT.glob("*/pyproject.toml")) + sorted(
    path.parent for path in ROOT.glob("plugins/*/pyproject.toml")
)
PUBLIC = set(ellmental_embeddings.__all__)

LONGEST_FILE = 400
LONGEST_FUNCTION = 60

CLI_MAY = {
    # The command line alone gathers the commands of plugins; for all others this is no API.
    "main.py": {("ellmental_embeddings.registry", "add_commands")},
}
PLUGIN_MAY_IMPORT = {
    # Azure is a type of OPENAI: it builds on the public part of that plugin.
    "ellmental_embeddings_azure": {"ellmental_embeddings_openai"},
}
PUBLIC_MODULES = (
    "ellmental_embeddings",
    "ellmental_embeddings.decoding",
    "ellmental_embeddings.testing",
)


def python_files() -> list[Path]:
    """Every Python file of the repository."""
    folders = [ROOT / name for name in ("core", "plugins", "tests", "docs", ".ci")]
    found = [path for folder in folders for path in folder.rglob("*.py")]
    return [path for path in sorted(found) if not {".venv", "build"} & set(path.parts)]


def package_of(path: Path) -> list[str]:
    """The package a file of ``src`` stands in, as a list of names."""
    return list(path.parent.parts[path.parent.parts.index("src") + 1 :])


def imports(path: Path, source: str | None = None) -> Iterator[tuple[str, str]]:
    """What a file imports, anywhere in it: pairs (absolute module, name or "")."""
    for node in ast.walk(ast.parse(path.read_text("utf-8") if source is None else source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = package_of(path)
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)


def reached(path: Path, source: str | None = None) -> set[str]:
    """Every module that a file's imports may reach: the module, and the module.name."""
    return {
        spelled
        for module, name in imports(path, source)
        for spelled in (module, f"{module}.{name}".rstrip("."))
    }


# Walls


def strangers_to_the_engine(path: Path, source: str | None = None) -> set[str]:
    """What a file of the engine imports beyond errors, backend, result and the engine."""
    allowed = re.compile(r"ellmental_embeddings\.(engine|errors|backend|result)(\.|$)")
    ours = {module for module, _ in imports(path, source) if module.startswith("ellmental")}
    bare = {
        f"{module}.{name}"
        for module, name in imports(path, source)
        if module == "ellmental_embeddings"
    }
    return {
        module for module in (ours - {"ellmental_embeddings"}) | bare if not allowed.match(module)
    }


def test_engine_knows_no_plugin_no_cli_and_no_environment() -> None:
    """The engine imports errors, backend, result and itself; it reads no environment variable."""
    files = sorted((CORE / "engine").rglob("*.py"))
    assert len(files) > 5
    for path in files:
        assert strangers_to_the_engine(path) == set(), path
        assert not reached(path) & {"os", "click", "pluggy", "pydantic_settings"}, path


def test_wall_around_the_engine_can_fail() -> None:
    """Each way over the wall is seen."""
    path = CORE / "engine" / "run.py"
    for line, found in (
        ("from ..settings import CoreSettings", "ellmental_embeddings.settings"),
        ("from .. import registry", "ellmental_embeddings.registry"),
        ("def f():\n    import ellmental_embeddings_local", "ellmental_embeddings_local"),
        ("from ..cli.output import note", "ellmental_embeddings.cli.output"),
    ):
        assert strangers_to_the_engine(path, line) == {found}
    assert strangers_to_the_engine(path, "from ..errors import BadReply") == set()


def beyond_the_public_api(path: Path, source: str | None = None) -> set[tuple[str, str]]:
    """What a file outside the core's inside imports from that inside."""
    own = ".".join(package_of(path)[:2] if path.is_relative_to(CORE) else package_of(path)[:1])
    found = set()
    for module, name in imports(path, source):
        if module == own or module.startswith(f"{own}."):
            continue
        if re.match(r"ellmental_embeddings(\.|$)", module) and not (
            module in PUBLIC_MODULES[1:] or (module == PUBLIC_MODULES[0] and name in PUBLIC)
        ):
            found.add((module, name))
    return found


def test_command_line_uses_the_public_api_alone() -> None:
    """What ``ellmental`` can do, every program can do; the exceptions have their reasons above."""
    files = sorted((CORE / "cli").rglob("*.py"))
    assert len(files) > 5
    for path in files:
        assert beyond_the_public_api(path) == CLI_MAY.get(path.name, set()), path


def test_plugins_use_the_public_api_alone() -> None:
    """What our plugins need, every author can import."""
    files = sorted(ROOT.glob("plugins/*/src/**/*.py"))
    assert len(files) > 5
    for path in files:
        assert beyond_the_public_api(path) == set(), path


def test_wall_around_the_public_api_can_fail() -> None:
    """Each way over the wall is seen."""
    path = CORE / "cli" / "vector.py"
    seen = beyond_the_public_api(path, "from ..errors import BadReply\nfrom .output import note")
    assert seen == {("ellmental_embeddings.errors", "BadReply")}
    assert beyond_the_public_api(path, "from .. import _HOME") == {
        ("ellmental_embeddings", "_HOME")
    }
    assert beyond_the_public_api(path, "from .. import BadReply") == set()
    plugin = next(ROOT.glob("plugins/*/src/*/__init__.py"))
    assert beyond_the_public_api(plugin, "import ellmental_embeddings.engine.run")
    assert not beyond_the_public_api(plugin, "from ellmental_embeddings import hookimpl")


def other_plugins(path: Path, source: str | None = None) -> set[str]:
    """The packages of plugins that a file imports, also by ``import_module``, but its own."""
    tree = ast.parse(path.read_text("utf-8") if source is None else source)
    by_name = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in {"import_module", "__import__"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    named = {*(module for module, _ in imports(path, source)), *map(str, by_name)}
    found = {name.split(".")[0] for name in named if name.startswith("ellmental_embeddings_")}
    return found - {package_of(path)[0]}


def test_no_plugin_imports_another() -> None:
    """Plugins can be installed alone; the one exception has its reason above."""
    for path in sorted(ROOT.glob("plugins/*/src/**/*.py")):
        assert other_plugins(path) <= PLUGIN_MAY_IMPORT.get(package_of(path)[0], set()), path


def beyond_the_public_part(path: Path, source: str | None = None) -> set[tuple[str, str]]:
    """What a file imports of another plugin that is not in that plugin's ``__all__``."""
    others = other_plugins(path, source)
    return {
        (module, name)
        for module, name in imports(path, source)
        if module.split(".")[0] in others
        and not (module in others and name in importlib.import_module(module).__all__)
    }


def test_azure_builds_on_the_public_part_of_openai() -> None:
    """What Azure uses is in ``__all__`` of OPENAI's package, and nothing below it is reached."""
    files = sorted(ROOT.glob("plugins/azure/src/**/*.py"))
    assert any(other_plugins(path) for path in files)
    for path in files:
        assert beyond_the_public_part(path) == set(), path


def test_core_imports_no_plugin() -> None:
    """The core works alone."""
    for path in sorted(CORE.rglob("*.py")):
        assert other_plugins(path) == set(), path


def test_walls_around_plugins_can_fail() -> None:
    """Each way over them is seen."""
    azure = next(ROOT.glob("plugins/azure/src/*/backend.py"))
    for line in (
        "import ellmental_embeddings_jobs",
        "def f():\n    from ellmental_embeddings_jobs.store import Store",
        "importlib.import_module('ellmental_embeddings_jobs.store')",
    ):
        assert other_plugins(azure, line) == {"ellmental_embeddings_jobs"}
    assert other_plugins(CORE / "loading.py", "import ellmental_embeddings_local")
    inside = "ellmental_embeddings_openai.backend"
    assert beyond_the_public_part(azure, f"from {inside} import x") == {(inside, "x")}
    assert beyond_the_public_part(azure, "from ellmental_embeddings_openai import no_such_name")
    assert not beyond_the_public_part(azure, "from ellmental_embeddings_openai import Names")


# Sizes


def test_no_file_is_longer_than_400_lines() -> None:
    """A file that grows beyond that holds two things."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for path in python_files()
    }
    assert len(lengths) > 50
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    """A function that grows beyond that does two things."""
    lengths = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": (node.end_lineno or 0)
        - node.lineno
        + 1
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert len(lengths) > 200
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


# The shape of a dist


def project(folder: Path) -> dict[str, Any]:
    """The metadata of a dist."""
    read: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    return read


def test_dists_are_found() -> None:
    """The core and its plugins."""
    names = [folder.name for folder in DISTS]
    assert names[0] == "core"
    assert {"local", "jobs"} <= set(names)


@pytest.mark.parametrize("folder", DISTS, ids=lambda folder: folder.name)
def test_every_dist_has_the_same_shape(folder: Path) -> None:
    """README, LICENSE and py.typed are there; the metadata agree with the core's."""
    core, own = project(ROOT / "core"), project(folder)
    name = "ellmental-embeddings" + ("" if folder.name == "core" else f"-{folder.name}")
    assert own["project"]["name"] == name
    package = folder / "src" / name.replace("-", "_")
    assert (package / "py.typed").is_file()
    assert (package / "__init__.py").is_file()
    assert (folder / "README.md").read_text("utf-8").startswith("# ")
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert own["build-system"] == core["build-system"]
    needed = set(core["project"]) - {"scripts", "optional-dependencies"}
    assert needed <= set(own["project"])
    for field in ("version", "readme", "requires-python", "license", "authors"):
        assert own["project"][field] == core["project"][field], field
    assert own["project"]["license-files"][0] == "LICENSE"
    assert len(own["project"]["description"]) < 120
    dependencies = [re.split(r"[^\w-]", one)[0] for one in own["project"]["dependencies"]]
    assert dependencies == sorted(dependencies)
    wheel = own["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == [f"src/{package.name}"]


def release_script() -> Any:
    """The module that says which cores the plugins of a version work with."""
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", DISTS[1:], ids=lambda folder: folder.name)
def test_every_plugin_has_the_same_files_tables_and_links(folder: Path) -> None:
    """Nothing beside its four files; the tables of pyproject.toml in the core's order."""
    left = {path.name for path in folder.iterdir()} - {".mypy_cache", ".ruff_cache", "build"}
    assert left == {"LICENSE", "README.md", "pyproject.toml", "src"}
    core, own = project(ROOT / "core"), project(folder)
    assert list(own) == list(core)
    kept = [field for field in core["project"] if field in own["project"]]
    assert [field for field in own["project"] if field in core["project"]] == kept
    assert own["project"]["urls"] == core["project"]["urls"]
    assert set(own["project"]["classifiers"]) >= {
        name for name in core["project"]["classifiers"] if "Python" in name or "Typed" in name
    }
    package = folder / "src" / own["project"]["name"].replace("-", "_")
    if "ellmental_embeddings" in own["project"]["entry-points"]:
        assert (package / "settings.py").is_file()
        assert (package / "backend.py").is_file()


OWN_BOUNDS = {("jobs", "numpy")}
"""Where a plugin asks for more than the core: its datasets were tried with numpy 2 alone."""


@pytest.mark.parametrize("folder", DISTS[1:], ids=lambda folder: folder.name)
def test_what_the_core_needs_too_has_the_core_s_bounds(folder: Path) -> None:
    """A bound is raised in one step: none stays behind in a plugin."""
    bounds = {
        re.split(r"[^\w.-]", need)[0]: need
        for need in project(ROOT / "core")["project"]["dependencies"]
    }
    for need in project(folder)["project"]["dependencies"]:
        name = re.split(r"[^\w.-]", need)[0]
        if (folder.name, name) not in OWN_BOUNDS:
            assert bounds.get(name, need) == need


@pytest.mark.parametrize("folder", DISTS[1:], ids=lambda folder: folder.name)
def test_every_plugin_announces_itself_and_bounds_the_core(folder: Path) -> None:
    """An entry point of one of the two groups; a core of the same minor version."""
    own = project(folder)["project"]
    points = own["entry-points"]
    assert set(points) <= {"ellmental_embeddings", "ellmental_embeddings.commands"}
    module = own["name"].replace("-", "_")
    assert {value for group in points.values() for value in group.values()} == {module}
    bound = release_script().bound_of(own["version"])
    cores = {f"ellmental-embeddings{extra}{bound}" for extra in ("", "[decoding]")}
    assert len(cores & set(own["dependencies"])) == 1


def test_who_decodes_with_the_core_asks_for_its_parser() -> None:
    """A dist depends on the core's extra where, and only where, it imports what needs it."""
    for folder in DISTS[1:]:
        extra = any("[decoding]" in need for need in project(folder)["project"]["dependencies"])
        files = (folder / "src").rglob("*.py")
        modules = {module for file in files for module, _ in imports(file)}
        assert extra == ("ellmental_embeddings.decoding" in modules), folder
