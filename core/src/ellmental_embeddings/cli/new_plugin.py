"""``ellmental new-plugin``: a dist with a generator of one's own, ready to publish."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import click

from .. import ConfigurationError
from .bounds import bound_of
from .output import note

__all__ = ["command"]

KINDS = ("http", "local")
LICENSES = ("Apache-2.0", "BSD-3-Clause", "MIT", "none")
LONGEST = 24
"""Characters of a name: the lines of the template stay below 100."""
TEMPLATE = Path(__file__).resolve().parents[1] / "template"

OUR_OWN = {"azure", "jobs", "local", "openai", "spaces", "spaces-instruct", "spaces-text"}
"""Our dists and their generators, installed or not."""
OF_THE_CORE = {"batch", "embedding", "embeddings", "embeddings-generation"}
"""Their variables (EMBEDDING_URL, BATCH_KEY) would look like the core's."""


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), help="Asks a service, or makes vectors itself.")
@click.option(
    "--license",
    "license_",
    type=click.Choice(LICENSES, case_sensitive=False),
    help="Whose text is written into LICENSE.",
)
@click.option(
    "--author",
    metavar="NAME",
    help="Named in pyproject.toml and the licence.  [default: git's user.name]",
)
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where to write it.  [default: ellmental-embeddings-NAME, here]",
)
def command(
    name: str, kind: str | None, license_: str | None, author: str | None, output: Path | None
) -> None:
    """Write a plugin with a generator called NAME.

    It is a package ready to publish: code, contract test, README, CI, licence.

    On a terminal what is not given is asked for; elsewhere it is http, Apache-2.0, and the author
    that git knows.

    \b
    Examples:
      ellmental new-plugin acme
      ellmental new-plugin acme --kind local --license MIT --author "Ada Lovelace"
    """  # noqa: D301 - click's own mark for lines to keep
    if find_spec("copier") is None:
        raise ConfigurationError(
            "`ellmental new-plugin` needs copier. Install it with: "
            "pip install 'ellmental-embeddings[new-plugin]'"
        )
    name = _checked(name)
    folder = output or Path(f"ellmental-embeddings-{name}")
    _refuse_to_overwrite(folder)
    answers = {
        "name": name,
        "kind": kind or _asked("Kind", "http", click.Choice(KINDS)),
        "license": license_ or _asked("License", "Apache-2.0", click.Choice(LICENSES)),
        "author": (author or _asked("Author", _known_author())).strip(),
    }
    if not answers["author"].isprintable():
        raise click.BadParameter(
            f"{answers['author']!a} has characters that no pyproject.toml can name somebody by.",
            param_hint="--author",
        )
    _render(folder, answers)
    click.echo(str(folder))
    note(
        f"The generator {name.upper().replace('-', '_')} is written, and keeps the contract "
        f"as it stands:\n\n  cd {folder}\n  pip install -e '.[test]'\n  pytest\n\n"
        f"Now put your own {'service' if answers['kind'] == 'http' else 'model'} into backend.py.\n"
        "What to change, and how to publish it: docs/how-to/publish-a-generator.md of eLLMental "
        "embeddings."
    )


def _checked(given: str) -> str:
    name = given.strip().lower().replace("_", "-").removeprefix("ellmental-embeddings-")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        near = re.sub("[^a-z0-9]+", "-", name).strip("-0123456789") or "acme"
        raise click.BadParameter(
            f"{given!r} makes no name of a variable and of a package: give ASCII letters, digits "
            f"and single hyphens, with a letter first, e.g. {near}.",
            param_hint="NAME",
        )
    if len(name) > LONGEST:
        raise click.BadParameter(
            f"{given!r} is longer than {LONGEST} characters.", param_hint="NAME"
        )
    if name in OF_THE_CORE or name.startswith("embedding-"):
        raise click.BadParameter(
            f"variables of {name!r} would look like the core's own. Choose another name.",
            param_hint="NAME",
        )
    if (taken := _taken_by(name)) is not None:
        raise click.BadParameter(
            f"{name!r} is taken by {taken}. Choose another name: two plugins with one name "
            "cannot be told apart.",
            param_hint="NAME",
        )
    return name


def _taken_by(name: str) -> str | None:
    from importlib_metadata import PackageNotFoundError, version

    from .. import installed_generators

    if name in OUR_OWN:
        return "eLLMental embeddings itself"
    for status in installed_generators():
        if status.label.split()[0].lower().replace("_", "-") == name:
            return f"{status.dist} {status.version}, which is installed"
    dist = f"ellmental-embeddings-{name}"
    try:
        return f"{dist} {version(dist)}, which is installed"
    except PackageNotFoundError:
        return None


def _refuse_to_overwrite(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise FileExistsError(
            errno.EEXIST, "is there already; name another folder with --output", str(folder)
        )


def _asked(question: str, standard: str, kind: click.Choice[str] | None = None) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        return standard
    answer: str = click.prompt(question, default=standard, type=kind, err=True)
    return answer


def _known_author() -> str:
    try:
        known = subprocess.run(
            ["git", "config", "--get", "user.name"],  # noqa: S607 - wherever git is
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        known = ""
    return known or "The authors"


def _render(folder: Path, answers: dict[str, str]) -> None:
    from copier import Settings, run_copy
    from importlib_metadata import version

    run_copy(
        str(TEMPLATE),
        folder,
        data={
            **answers,
            "bound": bound_of(version("ellmental-embeddings")),
            "year": datetime.now(UTC).year,
        },
        settings=Settings(),  # not what the user set for templates of others
        defaults=True,
        quiet=True,
    )
