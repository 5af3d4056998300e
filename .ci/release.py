"""Build a release of all dists, to be published by hand.

    python3 .ci/release.py OUT               wheels, sdists, SHA256SUMS, provenance.json in OUT
    python3 .ci/release.py --set-version V   write version V, and plugins' bounds, in every dist

All dists have one version, in their pyproject.toml files; a release is refused where they
differ, or where the tree is not what is committed. Files depend on the commit alone: building
twice gives the same bytes, and the wheel that is made from the sdist is the wheel.

Needs git and hatchling (pip install hatchling).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECTS = [ROOT / "core/pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]
BOUNDED = [
    *sorted(ROOT.glob("docs/how-to/samples/*/pyproject.toml")),
    *sorted(ROOT.glob("docs/**/*.md")),
]
"""What also names the core's bounds, and has no version of ours."""
BOUNDS = ROOT / "core/src/ellmental_embeddings/cli/bounds.py"
"""Read as a file: the core need not be installed."""
BUILD_TYPE = "urn:ellmental-embeddings:release:1"
"""Says how ``externalParameters`` are to be read: the release of one version by this script."""


class Refused(Exception):
    """The release cannot be made; the message says why."""


def main() -> int:
    """Do what is asked; 1 where it is refused."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", nargs="?", type=Path, help="an empty folder, or a new one")
    parser.add_argument("--set-version", metavar="V")
    given = parser.parse_args()
    try:
        if given.set_version:
            set_version(given.set_version)
        elif given.out is None:
            parser.error("name a folder, or --set-version")
        else:
            release(given.out)
    except Refused as error:
        print(f"Refused: {error}", file=sys.stderr)
        return 1
    return 0


def release(out: Path) -> None:
    """Build, check and describe all files of a release; all of them in ``out``, or none."""
    began = datetime.now(UTC)
    if find_spec("hatchling") is None:
        raise Refused("hatchling is not installed: pip install hatchling")
    version, commit = one_version(), git("rev-parse", "HEAD")
    if changed := git("status", "--porcelain", "--untracked-files=normal"):
        raise Refused(f"these files are not committed:\n{changed}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refused(f"{out} is not empty")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for project in PROJECTS:
            build(project.parent, folder, "wheel", "sdist")
        sums = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
        }
        check_sdists(folder, sums)
        listed = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
        (folder / "SHA256SUMS").write_text(listed, "ascii")
        told = provenance(sums, version, commit, began)
        (folder / "provenance.json").write_text(json.dumps(told, indent=2) + "\n", "ascii")
        shutil.copytree(folder, out, dirs_exist_ok=True)
    print(listed, end="")
    print(
        f"\n{version}, {len(sums)} files of {len(PROJECTS)} dists, commit {commit}"
        "\nEvery sdist builds the same wheel.\n\n"
        f"To publish:\n  (cd {out} && sha256sum -c SHA256SUMS)\n"
        f"  twine check --strict {out}/*.whl {out}/*.tar.gz\n"
        f"  twine upload {out}/*.whl {out}/*.tar.gz\n"
        f"  git tag -s v{version} {commit}\n"
        "and keep SHA256SUMS and provenance.json beside the tag."
    )


def one_version() -> str:
    """The version that all dists have.

    Raises:
        Refused: they differ.
    """
    found = {
        path.parent.name: tomllib.loads(path.read_text("utf-8"))["project"]["version"]
        for path in PROJECTS
    }
    if len(set(found.values())) != 1:
        raise Refused(f"the dists' versions differ: {found}. Use --set-version.")
    return str(found["core"])


def set_version(version: str) -> None:
    """Write a version, and the bounds that follow from it, into every dist."""
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        raise Refused(f"{version!r} is no version like 1.2.3 or 1.2.3rc1")
    bound = bound_of(version)
    for path in (*PROJECTS, *BOUNDED):
        text = path.read_text("utf-8")
        if path in PROJECTS:
            text = re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', text, count=1)
        text = re.sub(
            r'"(ellmental-embeddings[\w-]*(?:\[[\w,-]+\])?)>=[^"]*"', rf'"\1{bound}"', text
        )
        path.write_text(text, "utf-8")
    print(f"{version} in {len(PROJECTS)} dists, bounds {bound}")


def bound_of(version: str) -> str:
    """What the core's own ``bound_of`` says, which ``ellmental new-plugin`` uses."""
    return str(runpy.run_path(str(BOUNDS))["bound_of"](version))


def build(dist: Path, out: Path, *targets: str) -> None:
    """Build with hatchling; times in the files are the commit's."""
    wanted = [word for target in targets for word in ("-t", target)]
    ran = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(out), *wanted],
        cwd=dist,
        env={**os.environ, "SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct")},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise Refused(f"{dist.name} does not build:\n{ran.stdout}{ran.stderr}")


def check_sdists(out: Path, sums: dict[str, str]) -> None:
    """Build each sdist's wheel again, from the sdist: it must be the wheel to the byte."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for sdist in sorted(out.glob("*.tar.gz")):
            with tarfile.open(sdist) as archive:
                archive.extractall(folder, filter="data")
            build(folder / sdist.name.removesuffix(".tar.gz"), folder / "wheels", "wheel")
        for wheel in sorted((folder / "wheels").iterdir()):
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            if sums.get(wheel.name) != digest:
                raise Refused(f"{wheel.name} is another one when it is built from its sdist")


def provenance(
    sums: dict[str, str], version: str, commit: str, began: datetime
) -> dict[str, object]:
    """An in-toto statement, version 1, with SLSA's provenance, version 1.

    https://slsa.dev/spec/v1.0/provenance. Unsigned: it says what was built of what, and is
    signed by whoever publishes it.
    """
    tools = {
        "hatchling": f"pkg:pypi/hatchling@{installed_version('hatchling')}",
        "python": f"pkg:generic/python@{platform.python_version()}",
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": sums[name]}} for name in sorted(sums)],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"version": version},
                "internalParameters": {"SOURCE_DATE_EPOCH": int(git("log", "-1", "--format=%ct"))},
                "resolvedDependencies": [
                    {"name": "source", "digest": {"gitCommit": commit}},
                    *({"name": name, "uri": uri} for name, uri in tools.items()),
                ],
            },
            "runDetails": {
                "builder": {"id": "urn:ellmental-embeddings:by-hand"},
                "metadata": {
                    "startedOn": began.isoformat(timespec="seconds"),
                    "finishedOn": datetime.now(UTC).isoformat(timespec="seconds"),
                },
            },
        },
    }


def git(*arguments: str) -> str:
    """What git prints of this repository."""
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise Refused(f"git {' '.join(arguments)}: {ran.stderr.strip()}")
    return ran.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
