"""What the tests of the core share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ellmental_embeddings.engine import retry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No .env and no variable of the developer's machine reaches a test."""
    monkeypatch.chdir(tmp_path)
    for name in ("EMBEDDING_GENERATOR", "BATCH_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a hundredth of a second where users get half of one, and more."""
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.05)
