"""A new author: ``ellmental new-plugin``, installed from what it wrote, tested, and used."""

from __future__ import annotations

import json
import re
import sys
import tomllib
import zipfile
from typing import TYPE_CHECKING

import pytest
from clean_environment import ROOT, CleanEnvironment, build, lint
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ellmental_embeddings.cli import exit_codes
from ellmental_embeddings.cli.bounds import bound_of
from ellmental_embeddings.cli.new_plugin import LICENSES
from ellmental_embeddings.testing import FaultServer, GeneratorContract

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ellmental_embeddings.testing import Request, Row

AUTHOR = 'Zoë "Z" Łovelace'


class AcmeSpoken(GeneratorContract):
    """The protocol of the template's generator, for a server of our own."""

    def texts_of(self, request: Request) -> Sequence[str] | None:
        """As the rendered test has it."""
        return request.json["texts"] if request.path == "/embed" else None

    def reply(self, request: Request, rows: Sequence[Row]) -> object:
        """As the rendered test has it."""
        return {"items": [{"index": row.index, "vector": row.vector} for row in rows]}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    """An environment with the core's wheel alone."""
    folder = tmp_path_factory.mktemp("author")
    environment = CleanEnvironment(folder)
    environment.install(*build(ROOT / "core", folder / "wheels"))
    return environment


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["http", "local"])
def test_from_nothing_to_a_proven_generator(
    clean: CleanEnvironment, kind: str, tmp_path: Path
) -> None:
    """It lints, type-checks, installs, keeps the contract, and EMBEDDING_GENERATOR finds it."""
    name = f"made-{kind}"
    made = clean.ellmental(
        *("new-plugin", name, "--kind", kind, "--license", "mit", "--author", AUTHOR), cwd=tmp_path
    )
    assert made.returncode == exit_codes.DONE, made.stderr
    assert made.stdout == f"ellmental-embeddings-{name}\n"
    folder = tmp_path / made.stdout.strip()
    assert not re.search(r"\{\{|\{%|\.jinja", "".join(_texts(folder, but="ci.yml")))
    lint(folder)
    clean.install(folder)
    typed = clean.run("-m", "mypy", "--cache-dir", str(clean.folder / "mypy"), cwd=folder)
    assert typed.returncode == 0, typed.stdout
    tested = clean.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    assert tested.returncode == 0, tested.stdout
    assert re.search(r"TestMade\w+: \d\d checks proven", tested.stdout)
    generator = name.upper().replace("-", "_")
    with FaultServer(AcmeSpoken()) as server:
        server.width = 64
        variables = {"EMBEDDING_GENERATOR": generator}
        if kind == "http":
            variables |= {f"{generator}_KEY": "a key", f"{generator}_URL": server.url}
        used = clean.ellmental("vector", "one", "two", cwd=tmp_path, **variables)
    assert used.returncode == exit_codes.DONE, used.stderr
    widths = {len(json.loads(line)) for line in used.stdout.splitlines()}
    assert widths == {64 if kind == "http" else 256}
    assert len(server.asked) == (1 if kind == "http" else 0)


def _texts(folder: Path, but: str) -> list[str]:
    return [p.read_text("utf-8") for p in folder.rglob("*") if p.is_file() and p.name != but]


@pytest.mark.parametrize("name", ["x", "abcdefghij-klmnopqrst-uv"])
@pytest.mark.parametrize("kind", ["http", "local"])
def test_lines_fit_whatever_the_name(
    clean: CleanEnvironment, kind: str, name: str, tmp_path: Path
) -> None:
    """The shortest and the longest name: the formatter would change nothing."""
    made = clean.ellmental("new-plugin", name, "--kind", kind, "-o", "here", cwd=tmp_path)
    assert made.returncode == exit_codes.DONE, made.stderr
    lint(tmp_path / "here")


@pytest.mark.parametrize("chosen", LICENSES)
def test_licence_and_author_are_where_they_belong(
    clean: CleanEnvironment, chosen: str, tmp_path: Path
) -> None:
    """The metadata name the licence that the file holds; `none` has neither."""
    made = clean.ellmental(
        *("new-plugin", "Acme_Large", "--license", chosen, "--author", AUTHOR), cwd=tmp_path
    )
    assert made.returncode == exit_codes.DONE, made.stderr
    folder = tmp_path / "ellmental-embeddings-acme-large"
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["authors"] == [{"name": AUTHOR}]
    assert project["entry-points"]["ellmental_embeddings"] == {
        "ACME_LARGE": "ellmental_embeddings_acme_large"
    }
    assert (chosen != "none") == (folder / "LICENSE").exists() == ("license" in project)
    if chosen != "none":
        assert project["license"] == chosen
        text = (folder / "LICENSE").read_text("utf-8")
        assert {"Apache-2.0": "Apache License", "MIT": "MIT", "BSD-3-Clause": "BSD 3"}[
            chosen
        ] in text
        assert (AUTHOR in text) == (chosen != "Apache-2.0")
    (wheel,) = build(folder, tmp_path / "wheels")
    with zipfile.ZipFile(wheel) as archive:
        (named,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        told = archive.read(named).decode()
        files = [name for name in archive.namelist() if name.endswith("/LICENSE")]
    assert (f"\nLicense-Expression: {chosen}\n" in told) == (chosen != "none") == bool(files)
    needs = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    bounds = re.findall(r"ellmental-embeddings(?:\[\w+\])?(\S*)", " ".join(needs))
    assert sorted(bounds) == ["", bound_of("0.1.0")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("9lives", "makes no name of a variable and of a package"),
        ("two--hyphens", "makes no name"),
        ("../away", "makes no name"),
        ("łódź", "makes no name"),
        ("a" * 25, "longer than 24 characters"),
        ("openai", "is taken by eLLMental embeddings itself"),
        ("SPACES_TEXT", "is taken by eLLMental embeddings itself"),
        ("embedding-fast", "would look like the core's own"),
    ],
)
def test_names_that_cannot_be_are_refused(
    name: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 2, the reason, and nothing is written."""
    assert _in_process(["new-plugin", name], tmp_path, monkeypatch) == exit_codes.USAGE
    assert said in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("author", ["of\ntwo lines", "half a pair \udcff"])
def test_an_author_that_no_metadata_can_name_is_refused(
    author: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pyproject.toml would not be read again."""
    arguments = ["new-plugin", "acme", "--author", author]
    assert _in_process(arguments, tmp_path, monkeypatch) == exit_codes.USAGE
    assert "--author" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_name_of_an_installed_plugin_is_refused(clean: CleanEnvironment, tmp_path: Path) -> None:
    """Whoever's plugin it is: the message names the dist."""
    site = tmp_path / "site"
    info = site / "made_by_others-3.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-by-others\nVersion: 3.1\n")
    (info / "entry_points.txt").write_text("[ellmental_embeddings]\nACME = others_acme\n")
    made = clean.ellmental("new-plugin", "acme", cwd=tmp_path, PYTHONPATH=str(site))
    assert made.returncode == exit_codes.USAGE
    assert "is taken by made-by-others 3.1" in " ".join(made.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_nothing_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with something in it is left alone; an empty one is taken."""
    folder = tmp_path / "ellmental-embeddings-acme"
    folder.mkdir()
    assert _in_process(["new-plugin", "acme"], tmp_path, monkeypatch) == exit_codes.DONE
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert _in_process(["new-plugin", "acme"], tmp_path, monkeypatch) == exit_codes.FILES
    assert "is there already; name another folder with --output" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_without_copier_the_remedy_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The core does not bring it along."""
    monkeypatch.setitem(sys.modules, "copier", None)
    assert _in_process(["new-plugin", "acme"], tmp_path, monkeypatch) == exit_codes.CONFIGURATION
    assert "pip install 'ellmental-embeddings[new-plugin]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("version", "bound"),
    [
        ("0.1.0", ">=0.1,<0.2"),
        ("0.12.3.dev1", ">=0.12.3.dev1,<0.13"),
        ("1.0.0rc2", ">=1.0.0rc2,<2"),
        ("2.7.1+here", ">=2.7,<3"),
        ("1.0.0", ">=1.0,<2"),
        ("2.7.1", ">=2.7,<3"),
    ],
)
def test_bound_of_the_core(version: str, bound: str) -> None:
    """From the version in use, which it lets in, to the next one that may break plugins."""
    assert bound_of(version) == bound
    assert Version(version) in SpecifierSet(bound)


def _in_process(arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    from ellmental_embeddings.cli.main import main

    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code
