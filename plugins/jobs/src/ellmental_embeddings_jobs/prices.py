"""What tokens cost, where that is known: a small table with its date. ``--price`` overrides it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Price", "price_of"]


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens.

    Attributes:
        per_million: dollars.
        source: where the figure is from, and of when.
    """

    per_million: float
    source: str

    def of(self, tokens: int) -> float:
        """Dollars for so many tokens."""
        return self.per_million * tokens / 1_000_000


_OPENAI = "OpenAI's price list as of November 2026, platform.openai.com/docs/pricing"

_PER_MILLION = {
    "text-embedding-3-small": 0.02,
    "text-embedding-3-large": 0.13,
    "text-embedding-ada-002": 0.10,
}
"""Dollars a million tokens, list prices for direct requests."""


def price_of(generator: str, model: str | None, given: float | None) -> Price | None:
    """The price of a model's tokens, or None where nobody knows it.

    Args:
        generator: name of the generator, e.g. ``OPENAI (OPENAI_TYPE=azure)``.
        model: name of its model.
        given: what the user says a million tokens cost, or None.
    """
    if given is not None:
        return Price(given, "as given by --price")
    if generator == "LOCAL":
        return Price(0.0, "it runs on this machine")
    if generator.startswith("OPENAI") and model in _PER_MILLION:
        return Price(_PER_MILLION[model], _OPENAI)
    return None
