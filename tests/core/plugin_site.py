"""A folder of made-up plugins, and Python processes that find those and no others.

What is really installed in the developer's environment (LOCAL, jobs) must not decide what a
test sees. So a process started here skips site-packages (``python -S``) and gets a path of its
own: the made-up plugins, the core, and links to everything else that is installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import ellmental_embeddings
from ellmental_embeddings import registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

__all__ = [
    "KEY",
    "TINY",
    "PluginSite",
    "announce",
    "choose",
    "choose_each",
    "link_installed",
    "listed",
    "plugin_code",
]

KEY = "sk-never-to-be-shown-0123456789"

GROUP = "ellmental_embeddings"
COMMANDS = "ellmental_embeddings.commands"

TINY = """
import asyncio
import os
import sys

from pydantic import AliasChoices, Field, SecretStr

from ellmental_embeddings import (
    AuthenticationFailed, Backend, BackendSettings, Limits, ModelInfo, Reply, TextRejected,
)


class TinySettings(BackendSettings):
    tiny_key: SecretStr = Field(description="Key of your Tiny account.")
    tiny_url: str = Field(
        default="https://tiny.example",
        description="Where Tiny is.\\nOn two lines.",
        validation_alias=AliasChoices("TINY_URL", "TINY_BASE_URL"),
    )


class TinyBackend(Backend):
    limits = Limits(items=3)
    model = ModelInfo(name="tiny-1", dimensions=4, normalised=False)

    async def embed(self, batch):
        if "hang" in batch.texts:
            print("HANGS", file=sys.stderr, flush=True)
            await asyncio.sleep(60)
        if "refuse the key" in batch.texts:
            raise AuthenticationFailed(f"key {os.environ['TINY_KEY']} is not accepted")
        if "crash" in batch.texts:
            raise RuntimeError(f"no idea what {os.environ['TINY_KEY']} is")
        for index, text in enumerate(batch.texts):
            if "reject" in text:
                raise TextRejected("this one is refused", index=index)
        return Reply([[len(text), 1.5, 0.1, -2] for text in batch.texts])
"""
"""The module ``tiny_backend``: four numbers a text, the first of them its length."""


def plugin_code(
    name: str,
    *,
    settings: str = "tiny_backend:TinySettings",
    backend: str = "tiny_backend:TinyBackend",
    variant: tuple[str, str] | None = None,
    before: str = "",
) -> str:
    """The source of a plugin that offers one generator."""
    return textwrap.dedent(f"""
        {before}
        from ellmental_embeddings import GeneratorSpec, hookimpl

        @hookimpl
        def ellmental_generators():
            return [GeneratorSpec(
                name={name!r}, summary="made up", settings={settings!r}, backend={backend!r},
                variant={variant!r},
            )]
        """)


def link_installed(folder: Path) -> Path:
    """Link all that is installed into a folder, except this project's plugins."""
    folder.mkdir()
    for place in dict.fromkeys(Path(entry).resolve() for entry in sys.path if entry):
        if place.name not in ("site-packages", "dist-packages"):
            continue
        for installed in place.iterdir():
            ours = installed.name.startswith("ellmental_embeddings")
            core = installed.name.startswith("ellmental_embeddings-")
            if (core or not ours) and not (folder / installed.name).exists():
                (folder / installed.name).symlink_to(installed)
    return folder


class PluginSite:
    """Made-up plugins, and what a fresh Python process makes of them."""

    def __init__(self, folder: Path, installed: Path) -> None:
        self.plugins = folder / "plugins"
        self.plugins.mkdir()
        self.cwd = folder / "here"
        self.cwd.mkdir()
        core = Path(ellmental_embeddings.__file__).parents[1]
        self._path = os.pathsep.join(str(place) for place in (self.plugins, core, installed))

    def add(
        self,
        dist: str,
        code: str = "",
        *,
        offers: Sequence[str] = (),
        module: str | None = None,
        commands: bool = False,
        entry_points: str | None = None,
        metadata: str | None = None,
    ) -> str:
        """Write a package and its dist-info, as pip would; returns the module's name."""
        module = module or dist.replace("-", "_")
        (self.plugins / f"{module}.py").write_text(code, "utf-8")
        info = self.plugins / f"{dist.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        if metadata is None:
            metadata = f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n"
        if metadata:
            (info / "METADATA").write_text(metadata, "utf-8")
        if entry_points is None:
            lines = [f"{name} = {module}" for name in offers]
            entry_points = "\n".join(
                [f"[{GROUP}]", *lines] + ([f"[{COMMANDS}]", f"X = {module}"] if commands else [])
            )
        (info / "entry_points.txt").write_text(entry_points, "utf-8")
        return module

    def add_tiny(self, *, name: str = "TINY") -> None:
        """Install a generator that works: TINY, which needs TINY_KEY."""
        (self.plugins / "tiny_backend.py").write_text(TINY, "utf-8")
        self.add("ellmental-tiny", plugin_code(name), offers=[name])

    def environment(self, variables: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a process of this site finds in its environment, and nothing else."""
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        return {**kept, "LC_ALL": "C.UTF-8", "PYTHONPATH": self._path, **(variables or {})}

    def run(
        self,
        *arguments: str | bytes,
        env: Mapping[str, str] | None = None,
        given: bytes = b"",
        module: str = "ellmental_embeddings",
        redirected: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run ``ellmental`` with these arguments; through a POSIX shell where it is redirected."""
        shell = ["/bin/sh", "-c", f'exec "$0" "$@" {redirected}'] if redirected else []
        ended = subprocess.run(
            [*shell, sys.executable, "-S", "-m", module, *arguments],
            env=self.environment(env),
            cwd=self.cwd,
            input=given,
            capture_output=True,
            timeout=50,
            check=False,
        )
        return subprocess.CompletedProcess(
            ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode()
        )

    def python(self, code: str, *, env: Mapping[str, str] | None = None) -> str:
        """Run a program in a fresh process; what it printed. It must end well."""
        ended = subprocess.run(
            [sys.executable, "-S", "-W", "error", "-c", textwrap.dedent(code)],
            env=self.environment(env),
            cwd=self.cwd,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


CHOOSE = """
    import json, os, sys
    from ellmental_embeddings import EmbeddingError, load_generator
    found = []
    for name, variables in json.loads({cases!r}):
        os.environ.update(variables)
        try:
            with load_generator(name) as generator:
                found.append([generator.name, generator.dist])
        except EmbeddingError as error:
            found.append([type(error).__name__, str(error)])
        for variable in variables:
            del os.environ[variable]
    print(json.dumps([found, sorted(sys.modules)]))
"""

LIST = """
    import json
    from dataclasses import asdict
    from ellmental_embeddings import installed_generators
    print(json.dumps([asdict(status) for status in installed_generators()]))
"""


def choose_each(
    site: PluginSite, *cases: tuple[str | None, dict[str, str]]
) -> tuple[list[tuple[str, str]], set[str]]:
    """Load generators in one fresh process: (label, dist) or (error, message); and its modules."""
    code = CHOOSE.format(cases=json.dumps(cases))
    found, modules = json.loads(site.python(code, env={"TINY_KEY": KEY}))
    return [(first, second) for first, second in found], set(modules)


def choose(site: PluginSite, name: str | None, **env: str) -> tuple[str, str, set[str]]:
    """``choose_each`` for one generator."""
    (found,), modules = choose_each(site, (name, env))
    return *found, modules


def listed(site: PluginSite, **env: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What ``installed_generators`` says in a fresh process, by label and dist."""
    statuses = json.loads(site.python(LIST, env={"TINY_KEY": KEY, **env}))
    return {(status["label"], status["dist"]): status for status in statuses}


def _facts_of(dist: str) -> dict[str, str]:
    """The files of a dist's dist-info, by their names."""
    return {"METADATA": f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n\nName: no other\n"}


def announce(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str, str | None]) -> None:
    """Let these entry points (name, value, dist) be all that is installed."""
    made = [
        SimpleNamespace(
            name=name,
            value=value,
            dist=None if dist is None else SimpleNamespace(read_text=_facts_of(dist).get),
            load=partial(import_module, value),
        )
        for name, value, dist in points
    ]
    monkeypatch.setattr(registry, "_entry_points", lambda group: made)
