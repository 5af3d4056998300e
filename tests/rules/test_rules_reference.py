"""The reference pages say what the code says."""

from __future__ import annotations

import pytest
from reference_tables import PAGE, filled


def test_every_variable_with_its_default_and_meaning() -> None:
    """The tables of settings are what the code makes of them, word for word."""
    text = PAGE.read_text("utf-8")
    assert "EMBEDDING_GENERATOR" in text
    if filled(text) != text:
        pytest.fail("run: python tests/rules/reference_tables.py")
