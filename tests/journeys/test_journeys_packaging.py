"""What is published: built by the release script, installed where nothing of ours is, typed.

`python3 tests/run.py --packaging` does the rest: each dist alone, with its lowest and its highest
versions.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from clean_environment import DISTS, ROOT, CleanEnvironment, copy_tree
from typed_consumer import PROGRAM, WRONG

from ellmental_embeddings.cli.bounds import bound_of

if TYPE_CHECKING:
    from pathlib import Path

NAMES = sorted(
    tomllib.loads((dist / "pyproject.toml").read_text("utf-8"))["project"]["name"] for dist in DISTS
)
PUBLIC_HOSTS = {"pypi.org"}


WHO = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
SECRET = "sk-never-to-be-shown-0123456789"


def script(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a tree's release script."""
    return subprocess.run(
        [sys.executable, str(folder / ".ci" / "release.py"), *arguments],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def git(folder: Path, *arguments: str) -> str:
    """What git prints in a folder."""
    command = ["git", *WHO, *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of its own with this tree as it stands, committed."""
    folder = tmp_path_factory.mktemp("origin")
    copy_tree(folder)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    return folder


@pytest.fixture(scope="module")
def released(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release, from a clean clone in which somebody has worked: what git ignores lies about."""
    folder = tmp_path_factory.mktemp("release")
    git(folder, "clone", "-q", str(origin), "tree")
    for dist in DISTS:
        place = folder / "tree" / dist.relative_to(ROOT)
        (place / ".env").write_text(f"OPENAI_KEY={SECRET}\n", "utf-8")
        package = next((place / "src").iterdir())
        (package / ".env").write_text(f"OPENAI_KEY={SECRET}\n", "utf-8")
        (package / "__pycache__").mkdir()
        (package / "__pycache__" / "x.pyc").write_text(SECRET, "utf-8")
    ran = script(folder / "tree", str(folder / "out"))
    assert ran.returncode == 0, ran.stderr
    assert "Every sdist builds the same wheel." in ran.stdout
    return folder / "out"


@pytest.fixture(scope="module")
def user(released: Path, tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    """Somebody who has installed all wheels."""
    environment = CleanEnvironment(tmp_path_factory.mktemp("user"))
    environment.install(*released.glob("*.whl"))
    return environment


@pytest.fixture
def tree(origin: Path, tmp_path: Path) -> Path:
    """A clean clone."""
    git(tmp_path, "clone", "-q", str(origin), "tree")
    return tmp_path / "tree"


def test_every_dist_has_a_wheel_and_an_sdist(released: Path) -> None:
    """One version for all, and nothing else beside sums and provenance."""
    files = {path.name for path in released.iterdir()} - {"SHA256SUMS", "provenance.json"}
    version = this_version()
    stems = {f"{name.replace('-', '_')}-{version}" for name in NAMES}
    assert files == {f"{stem}-py3-none-any.whl" for stem in stems} | {
        f"{stem}.tar.gz" for stem in stems
    }


def this_version() -> str:
    """The version of this tree."""
    read = tomllib.loads((ROOT / "core" / "pyproject.toml").read_text("utf-8"))
    return str(read["project"]["version"])


def test_sums_and_provenance_are_of_these_files(released: Path, origin: Path) -> None:
    """Each file by its digest, in both; and of which commit they are made."""
    lines = (released / "SHA256SUMS").read_text("ascii").splitlines()
    listed = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in released.iterdir()
        if path.suffix in {".whl", ".gz"}
    }
    assert listed == found
    told = json.loads((released / "provenance.json").read_text())
    assert told["_type"] == "https://in-toto.io/Statement/v1"
    assert {one["name"]: one["digest"]["sha256"] for one in told["subject"]} == found
    definition = told["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {"version": this_version()}
    made_of = {one["name"]: one for one in definition["resolvedDependencies"]}
    assert made_of["source"]["digest"]["gitCommit"] == git(origin, "rev-parse", "HEAD")
    assert made_of["hatchling"]["uri"] == f"pkg:pypi/hatchling@{version('hatchling')}"
    assert made_of["python"]["uri"].startswith("pkg:generic/python@3.")


@pytest.mark.slow
def test_whoever_builds_it_again_gets_the_same_bytes(
    released: Path, tree: Path, tmp_path: Path
) -> None:
    """From another clone in another folder, with other rights, another time and time zone."""
    for path in tree.rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    ran = script(tree, str(tmp_path / "again"), TZ="Asia/Tokyo")
    assert ran.returncode == 0, ran.stderr
    again = (tmp_path / "again" / "SHA256SUMS").read_text("ascii")
    assert again == (released / "SHA256SUMS").read_text("ascii")


@pytest.mark.parametrize("name", NAMES)
def test_metadata_are_complete(released: Path, name: str) -> None:
    """What PyPI shows: description, licence, classifiers, links to public hosts alone."""
    wheel = next(released.glob(f"{name.replace('-', '_')}-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()
        info = next(file for file in files if file.endswith("/METADATA")).rpartition("/")[0]
        told = message_from_bytes(archive.read(f"{info}/METADATA"))
    package = name.replace("-", "_")
    assert f"{package}/py.typed" in files
    assert f"{info}/licenses/LICENSE" in files
    assert {file.split("/")[0] for file in files} == {package, info}
    assert not [file for file in files if re.search(r"__pycache__|\.pyc$|\.env$", file)]
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Summary"]
    assert told["Requires-Python"] == ">=3.11"
    assert told["Description-Content-Type"] == "text/markdown"
    assert len(str(told.get_payload())) > 300
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.13"} <= set(
        told.get_all("Classifier", [])
    )
    links = " ".join(told.get_all("Project-URL", []))
    assert set(re.findall(r"https?://([^/\s]+)", links)) == PUBLIC_HOSTS
    with tarfile.open(next(released.glob(f"{package}-*.tar.gz"))) as archive:
        inside = {file.partition("/")[2] for file in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"} <= inside
    assert {file.split("/")[0] for file in inside} <= {
        *("pyproject.toml", "README.md", "LICENSE", "PKG-INFO", "src", ".gitignore")
    }
    assert not [file for file in inside if re.search(r"__pycache__|\.pyc$|\.env$", file)]


def test_readmes_link_nowhere_within_the_repository() -> None:
    """PyPI shows a dist's README alone: a relative link leads nowhere there."""
    for dist in DISTS:
        text = (dist / "README.md").read_text("utf-8")
        assert not re.findall(r"\]\((?!https://|#)[^)]*\)", text), dist


@pytest.mark.slow
def test_wheels_fit_together_and_work(user: CleanEnvironment, tmp_path: Path) -> None:
    """`pip check` is content; every generator is found; LOCAL embeds."""
    checked = user.run("-m", "pip", "check")
    assert checked.returncode == 0, checked.stdout
    listed = json.loads(user.ellmental("generators", "--json", cwd=tmp_path).stdout)
    assert {status["dist"] for status in listed} == set(NAMES) - {
        "ellmental-embeddings",
        "ellmental-embeddings-jobs",
    }
    assert {status["state"] for status in listed} <= {"ready", "not ready"}
    ran = user.ellmental("vector", "a text", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert len(json.loads(ran.stdout)) == 384
    assert user.ellmental("embed", "--help", cwd=tmp_path).returncode == 0


@pytest.mark.slow
def test_installed_wheels_are_typed(user: CleanEnvironment, tmp_path: Path) -> None:
    """A user's program passes mypy --strict; one with mistakes does not."""
    (tmp_path / "program.py").write_text(PROGRAM, "utf-8")
    (tmp_path / "wrong.py").write_text(WRONG, "utf-8")
    strict = ("-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", "cache")
    right = user.run(*strict, "program.py", cwd=tmp_path)
    assert right.returncode == 0, right.stdout
    wrong = user.run(*strict, "wrong.py", cwd=tmp_path)
    assert wrong.returncode == 1
    assert re.findall(r"\[([\w-]+)\]$", wrong.stdout, re.MULTILINE) == ["arg-type", "attr-defined"]


def test_release_of_what_is_not_committed_is_refused(tree: Path, tmp_path: Path) -> None:
    """The message names the file; nothing is written."""
    (tree / "core" / "forgotten.py").write_text("", "utf-8")
    ran = script(tree, str(tmp_path / "out"))
    assert ran.returncode == 1
    assert "core/forgotten.py" in ran.stderr
    assert not (tmp_path / "out").exists()


def test_release_of_two_versions_is_refused(tree: Path, tmp_path: Path) -> None:
    """One dist that was forgotten stops it."""
    path = tree / "plugins" / "jobs" / "pyproject.toml"
    text = path.read_text("utf-8")
    path.write_text(text.replace(f'version = "{this_version()}"', 'version = "9.9.9"'), "utf-8")
    git(tree, "commit", "-a", "-q", "-m", "one")
    ran = script(tree, str(tmp_path / "out"))
    assert ran.returncode == 1
    assert "versions differ" in ran.stderr
    assert "'jobs': '9.9.9'" in ran.stderr


@pytest.mark.parametrize(
    ("version", "bound"),
    [("0.7.1", ">=0.7,<0.8"), ("2.3.0", ">=2.3,<3"), ("1.0.0rc1", ">=1.0.0rc1,<2")],
)
def test_a_new_version_is_written_everywhere(tree: Path, version: str, bound: str) -> None:
    """Versions and bounds of all dists, in one step, and nothing else."""
    before = {dist: (tree / dist.relative_to(ROOT) / "pyproject.toml") for dist in DISTS}
    lines = {dist: path.read_text("utf-8").splitlines() for dist, path in before.items()}
    ran = script(tree, "--set-version", version)
    assert ran.returncode == 0, ran.stderr
    for dist, path in before.items():
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        assert project["version"] == version
        ours = [one for one in project["dependencies"] if one.startswith("ellmental-embeddings")]
        assert [re.split(r"(?=>=)", one)[1] for one in ours] == [bound] * len(ours)
        assert (dist.name == "core") == (not ours)
        after = path.read_text("utf-8").splitlines()
        changed = sum(one != other for one, other in zip(lines[dist], after, strict=True))
        assert changed == 1 + len(ours)
    old = rf"ellmental-embeddings[a-z-]*(\[[a-z,-]*\])?{bound_of(this_version())}"
    found = subprocess.run(["git", "grep", "-nE", old], cwd=tree, capture_output=True, check=False)
    assert (found.returncode, found.stdout) == (1, b"")
    assert bound == bound_of(version)


def test_what_is_no_version_is_refused(tree: Path) -> None:
    """And changes nothing."""
    assert script(tree, "--set-version", "v1").returncode == 1
    assert git(tree, "status", "--porcelain") == ""
