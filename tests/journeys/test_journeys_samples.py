"""The samples of the documentation are packages that work, and were written with the template."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from clean_environment import ROOT, CleanEnvironment, build, lint

from ellmental_embeddings.cli.bounds import bound_of

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = sorted(path.parent for path in ROOT.glob("docs/how-to/samples/*/pyproject.toml"))
VERSION = tomllib.loads((ROOT / "core" / "pyproject.toml").read_text("utf-8"))["project"]["version"]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    """An environment with the core's wheel and the samples."""
    folder = tmp_path_factory.mktemp("samples")
    environment = CleanEnvironment(folder)
    wheels = [wheel for dist in SAMPLES for wheel in build(dist, folder / "wheels")]
    environment.install(*build(ROOT / "core", folder / "core"), *wheels)
    return environment


def test_samples_are_found() -> None:
    """One of each kind."""
    assert [folder.name for folder in SAMPLES] == ["stratus", "topics"]


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda folder: folder.name)
def test_sample_keeps_the_contract(clean: CleanEnvironment, sample: Path) -> None:
    """Its own tests pass where it is installed from its wheel."""
    tested = clean.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=sample)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    proven = re.search(r"(\d+) checks proven, (\d+) not proven", tested.stdout)
    assert proven
    assert int(proven[1]) > (80 if sample.name == "stratus" else 45)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda folder: folder.name)
def test_sample_is_typed_and_linted(clean: CleanEnvironment, sample: Path) -> None:
    """By the rules that the template gives it."""
    typed = clean.run("-m", "mypy", "--cache-dir", str(clean.folder / "mypy"), cwd=sample)
    assert typed.returncode == 0, typed.stdout
    lint(sample)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda folder: folder.name)
def test_sample_is_what_the_template_would_write_today(
    clean: CleanEnvironment, sample: Path, tmp_path: Path
) -> None:
    """Tools' settings, licence and the bound of the core: as a new plugin has them."""
    made = clean.ellmental("new-plugin", f"x-{sample.name}", "-o", "x", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    ours, new = (
        tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
        for folder in (sample, tmp_path / "x")
    )
    for tool in ("ruff", "pytest"):
        assert ours["tool"][tool] == new["tool"][tool], tool
    for field in ("requires-python", "license", "license-files", "classifiers"):
        assert ours["project"][field] == new["project"][field]
    assert f"ellmental-embeddings{bound_of(VERSION)}" in ours["project"]["dependencies"]
    for name in ("LICENSE", ".gitignore"):
        assert (sample / name).read_bytes() == (tmp_path / "x" / name).read_bytes()
