"""What fault tests ask: embed through the whole product, and look for a key where none may be."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import numpy as np
from server_vectors import vectors_of

from ellmental_embeddings import load_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openai_server import OpenAIServer

    from ellmental_embeddings import EmbeddingGenerator, Embeddings

__all__ = ["SMALL", "assert_right", "embed", "leaked", "load", "shown", "texts_of"]

SMALL = "text-embedding-3-small"
_PART = 4


def load(server: OpenAIServer, **settings: Any) -> EmbeddingGenerator:
    """The generator OPENAI, as a user would load it for this server."""
    given: dict[str, Any] = {
        "OPENAI_BASE_URL": server.url,
        "OPENAI_API_KEY": server.key,
        "OPENAI_MODEL": SMALL,
        "EMBEDDING_DEADLINE": 20,
        **settings,
    }
    return load_generator("OPENAI", **given)


def embed(
    server: OpenAIServer, texts: Sequence[str], *, on_error: Any = "raise", **settings: Any
) -> Embeddings:
    """Embed texts through the whole product."""
    with load(server, **settings) as generator:
        return generator.embed(texts, on_error=on_error)


def texts_of(number: int) -> list[str]:
    """So many different texts."""
    return [f"text number {place}: {place * place}" for place in range(number)]


def assert_right(
    result: Embeddings,
    texts: Sequence[str],
    *,
    model: str = SMALL,
    dimensions: int | None = None,
    failed: Sequence[int] = (),
) -> None:
    """Every row is its own text's vector, and only the rows that should be have failed."""
    assert sorted(result.failed) == sorted(failed)
    assert len(result) == len(texts)
    good = [place for place in range(len(texts)) if place not in set(failed)]
    expected = vectors_of(model, [texts[place] for place in good], dimensions)
    assert np.allclose(result.vectors[good], expected, atol=1e-6)
    assert np.isnan(result.vectors[list(failed)]).all()


def shown(error: BaseException) -> str:
    """All that a user can see of an error: text, repr, traceback with causes, notes."""
    return "\n".join([str(error), repr(error), *traceback.format_exception(error)])


def leaked(key: str, *places: str) -> set[str]:
    """Parts of a key, four letters or longer, that can be read in these places."""
    parts = {key[start : start + _PART] for start in range(len(key) - _PART + 1)}
    return {part for part in parts if any(part in place for place in places)}
