"""What is known of OpenAI's own models, and of names that are taken for them by mistake."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["MOST_INPUTS", "OPENAI_MODELS", "OpenAIModel", "canonical", "mistaken_name"]

MOST_INPUTS = 2048
"""OpenAI's and Azure's limit, which their message about too many inputs does not name."""


@dataclass(frozen=True, slots=True)
class OpenAIModel:
    """One of OpenAI's embedding models: the width of its vectors, and whether it shortens them."""

    dimensions: int
    shortens: bool


OPENAI_MODELS = {
    "text-embedding-3-small": OpenAIModel(1536, shortens=True),
    "text-embedding-3-large": OpenAIModel(3072, shortens=True),
    "text-embedding-ada-002": OpenAIModel(1536, shortens=False),
}

_USE = "Set {variable} to text-embedding-3-small, text-embedding-3-large or text-embedding-ada-002."

_MISSPELT = {
    "text-embeddings-ada-002": "text-embedding-ada-002",
    "text-embeddings-3-small": "text-embedding-3-small",
    "text-embeddings-3-large": "text-embedding-3-large",
    "text-embedding-small-3": "text-embedding-3-small",
    "text-embedding-large-3": "text-embedding-3-large",
    "text-embedding-002": "text-embedding-ada-002",
    "ada-002": "text-embedding-ada-002",
}

_NO_EMBEDDINGS = re.compile(
    r"gpt-|chatgpt|o\d+(-|$)|davinci|babbage|curie|ada$|text-(ada|babbage|curie|davinci)|codex"
    r"|dall-e|whisper|tts-|sora|omni-moderation|text-moderation|computer-use|code-",
    re.IGNORECASE,
)
"""Names of OpenAI's models that make no embeddings. Only names: a new one that is not listed
is refused by the service itself, with a message that is mapped in ``failures.py``."""


def canonical(name: str | None) -> str | None:
    """The model's name as the user asks for it: services answer ``text-embedding-ada-002-v2``."""
    if not name:
        return None
    plain = name.removesuffix("-v2")
    return plain if plain in OPENAI_MODELS else name


def mistaken_name(name: str, variable: str) -> str | None:
    """Why OpenAI cannot embed with a model of that name and what to set, or None where it can."""
    use = _USE.format(variable=variable)
    if meant := _MISSPELT.get(name.lower()):
        return f"OpenAI has no model {name}: it is called {meant}. Set {variable}={meant}."
    if _NO_EMBEDDINGS.match(name):
        return f"{name} makes no embeddings. {use}"
    return None
