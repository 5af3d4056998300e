"""GeneratorSpec: what a plugin declares about a generator, without importing it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GeneratorSpec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorSpec:
    """A generator that a plugin offers. Holds names alone, so that declaring costs nothing.

    Attributes:
        name: what EMBEDDING_GENERATOR is set to, in capitals, e.g. ``ACME``. The plugin's
            entry point has the same name.
        summary: one line for ``ellmental generators``.
        settings: ``"module:Class"`` of a subclass of BackendSettings.
        backend: ``"module:Class"`` of a subclass of Backend.
        variant: ``("OPENAI_TYPE", "azure")`` where several dists serve one name, told apart by
            the value of one variable; None where the name alone decides.
    """

    name: str
    summary: str
    settings: str
    backend: str
    variant: tuple[str, str] | None = None

    @property
    def label(self) -> str:
        """The name as shown to people, with its variant: ``OPENAI (OPENAI_TYPE=azure)``."""
        if self.variant is None:
            return self.name
        return f"{self.name} ({self.variant[0]}={self.variant[1]})"
