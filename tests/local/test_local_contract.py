"""LOCAL keeps the contract of a generator."""

from __future__ import annotations

from ellmental_embeddings.testing import GeneratorContract


class TestLocal(GeneratorContract):
    """LOCAL with its built-in model: no server, no key."""

    def settings(self) -> dict[str, str]:
        """Nothing but its name."""
        return {"EMBEDDING_GENERATOR": "LOCAL"}
