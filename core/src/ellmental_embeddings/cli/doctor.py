"""``ellmental doctor``: checks the choice step by step, and embeds one text for real."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .. import EmbeddingGenerator

__all__ = ["command"]

_PROBE = "The quick brown fox jumps over the lazy dog."


@dataclass(frozen=True, slots=True)
class _Finding:
    what: str
    found: str
    ok: bool = True
    ready: bool = True
    measured: dict[str, Any] | None = None

    @property
    def mark(self) -> str:
        """How it stands at the head of a line; what merely needs settings is neither."""
        return "BAD" if not self.ok else "ok " if self.ready else "-- "


@click.command("doctor")
@click.option(
    "-g",
    "--generator",
    "name",
    metavar="NAME",
    help="Check this one, whatever EMBEDDING_GENERATOR says.",
)
@click.option(
    "--load",
    type=click.IntRange(1, 10_000_000),
    metavar="N",
    help="Embed N texts as well, as fast as it goes, and say what limits it.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(name: str | None, load: int | None, as_json: bool) -> None:
    """Check installation and settings, and embed a text for real.

    That is a paid call where the service bills its calls. Broken plugins are reported and do not
    fail the check, unless the chosen one is broken.

    \b
    Examples:
      ellmental doctor
      EMBEDDING_GENERATOR=OPENAI ellmental doctor --json
      ellmental doctor --load 5000
    """  # noqa: D301 - click's own mark for lines to keep
    from .. import EmbeddingError, load_generator

    findings: list[_Finding] = []
    for finding in _surroundings():
        findings.append(finding)
        _show(finding, quiet=as_json)
    try:
        with load_generator(name) as generator:
            for finding in chain(_trial(generator), _load(generator, load)):
                findings.append(finding)
                _show(finding, quiet=as_json)
    except EmbeddingError as error:
        findings.append(_Finding("trial", str(error), ok=False))
        _show(_Finding("trial", f"failed ({type(error).__name__})", ok=False), quiet=as_json)
        raise
    finally:
        if as_json:
            click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))


def _show(finding: _Finding, *, quiet: bool) -> None:
    if not quiet:
        click.echo(f"{finding.mark}  {finding.what}: {finding.found}")


def _surroundings() -> Iterator[_Finding]:
    from importlib_metadata import version

    from .. import installed_generators

    yield _Finding("python", f"{platform.python_version()} on {platform.system()}")
    yield _Finding("core", f"ellmental-embeddings {version('ellmental-embeddings')}")
    for status in installed_generators():
        origin = f"{status.dist} {status.version}, {status.state}"
        if status.state in ("broken", "blocked"):
            yield _Finding(status.label, f"{origin}: {status.reason}", ok=False)
        elif status.missing:
            yield _Finding(
                status.label, f"{origin}: needs {', '.join(status.missing)}", ready=False
            )
        else:
            yield _Finding(status.label, origin, ready=status.state == "ready")
        if status.warning:
            yield _Finding(status.label, status.warning, ready=False)


def _trial(generator: EmbeddingGenerator) -> Iterator[_Finding]:
    yield _Finding("chosen", f"{generator.name} from {generator.dist}")
    began = time.perf_counter()
    result = generator.embed([_PROBE])
    first = time.perf_counter() - began
    began = time.perf_counter()
    generator.embed([_PROBE], role="query")
    second = time.perf_counter() - began
    space = result.space
    if generator.server is not None:
        yield _Finding("server", generator.server)
    yield _Finding("model", f"{space.model or 'not named by the service'}")
    yield _Finding("width", f"{result.dimensions} dimensions")
    yield _Finding("first text", f"{first:.3f} s, loading included")
    yield _Finding("second text", f"{second:.3f} s")
    yield _Finding("space", space.id)


def _load(generator: EmbeddingGenerator, texts: int | None) -> Iterator[_Finding]:
    if texts is None:
        return
    from .. import terminal_progress
    from .load import measure

    load = measure(generator, texts, terminal_progress("load"))
    for place, (what, found) in enumerate(load.lines()):
        yield _Finding(what, found, ok=not load.failed, measured=None if place else load.to_dict())
