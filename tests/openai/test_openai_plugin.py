"""The plugin as others see it: light to import, public names, one family on top of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from openai_server import OpenAIServer
from server_vectors import vectors_of

import ellmental_embeddings_openai as plugin
from ellmental_embeddings import GeneratorNotFound, PluginError, load_generator

HEAVY = {"openai", "numpy", "httpx2", "aiohttp", "azure", "pydantic"}


@pytest.mark.parametrize("name", ["ellmental_embeddings_openai", "ellmental_embeddings_azure"])
def test_offering_imports_nothing_heavy(name: str) -> None:
    """Listing generators loads neither an SDK nor numpy; settings load no SDK."""
    program = (
        f"import sys, {name}; {name}.ellmental_generators(); first = set(sys.modules);"
        f"import {name}.settings; print(sorted(first & {HEAVY!r}), "
        f"sorted(set(sys.modules) & {{'openai', 'httpx2', 'aiohttp', 'azure.identity'}}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[] []"


def test_public_names() -> None:
    """What is public can be imported, is sorted, and nothing else is there by chance."""
    assert plugin.__all__ == sorted(plugin.__all__)
    for name in plugin.__all__:
        assert getattr(plugin, name).__doc__ or name in {"Key", "Word"}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        plugin.nonsense  # noqa: B018


def test_azure_builds_on_the_public_part_alone() -> None:
    """The other plugin imports no module from inside this one."""
    sources = Path(__file__).parents[2] / "plugins" / "azure" / "src"
    for file in sources.rglob("*.py"):
        assert "ellmental_embeddings_openai." not in file.read_text()


def test_a_blocked_or_unknown_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says that it is blocked; or what is there, and what to install."""
    monkeypatch.setenv("EMBEDDING_PLUGINS_BLOCKED", "ellmental-embeddings-azure")
    with pytest.raises(PluginError, match="ellmental-embeddings-azure is blocked"):
        load_generator("OPENAI", OPENAI_TYPE="azure")
    monkeypatch.setenv("EMBEDDING_PLUGINS_BLOCKED", "")
    with pytest.raises(GeneratorNotFound) as caught:
        load_generator("OPENAI", OPENAI_TYPE="oracle")
    for kind in ("openai", "azure"):
        assert f"{kind} (ellmental-embeddings-{kind})" in str(caught.value)
        assert f"pip install ellmental-embeddings-{kind}" in str(caught.value)


def how_to() -> dict[str, str]:
    """The Python blocks of the how-to for a third party's plugin, by the file they are for."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "openai-compatible.md"
    blocks = page.read_text().split("```python\n")[1:]
    sources = [block.split("```")[0] for block in blocks]
    return dict(zip(["__init__.py", "acme.py"], sources, strict=True))


def test_a_third_partys_generator_in_forty_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The how-to's code, as it stands there, embeds through a server with its own refusals."""
    package = tmp_path / "ellmental_embeddings_acme"
    package.mkdir()
    for name, source in how_to().items():
        (package / name).write_text(source)
    assert sum(len(source.splitlines()) for source in how_to().values()) < 40
    info = tmp_path / "ellmental_embeddings_acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: ellmental-embeddings-acme\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(
        "[ellmental_embeddings]\nACME = ellmental_embeddings_acme\n"
    )
    with OpenAIServer("tei") as server:
        program = (
            "import json; from ellmental_embeddings import load_generator\n"
            f"with load_generator('ACME', ACME_KEY={server.key!r}, ACME_URL={server.url!r}) as g:\n"
            "    print(json.dumps(g.embed([f'text {n}' for n in range(40)]).vectors.tolist()))"
        )
        ran = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False,
            env={**_environment(), "PYTHONPATH": str(tmp_path)},
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        import json

        import numpy as np

        vectors = np.array(json.loads(ran.stdout), dtype=np.float32)
        expected = vectors_of(server.house.models[-1], [f"text {n}" for n in range(40)], None)
        np.testing.assert_allclose(vectors, expected, atol=1e-6)
        answered = [seen for seen in server.bill.requests if seen.status == 200]
        assert sorted(len(seen.texts) for seen in answered) == [8, 32]


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)
