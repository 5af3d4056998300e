"""The OPENAI generator of eLLMental embeddings: OpenAI, and every server that imitates it.

What others may build on is listed in ``__all__``; README.md shows how. Each name is imported
when it is first used, so that offering the generator costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ellmental_embeddings import GeneratorSpec, hookimpl

if TYPE_CHECKING:
    from typing import Any

    from .address import normalised_url, refuse_impossible_host
    from .compatible import CompatibleBackend
    from .endpoint import Endpoint, Names
    from .failures import Asked, Rule, Said
    from .headers import HeaderLines, parsed_headers
    from .measure import Measure
    from .settings import CompatibleSettings, Key, Word, missing

__all__ = [
    "Asked",
    "CompatibleBackend",
    "CompatibleSettings",
    "Endpoint",
    "HeaderLines",
    "Key",
    "Measure",
    "Names",
    "Rule",
    "Said",
    "Word",
    "ellmental_generators",
    "missing",
    "normalised_url",
    "parsed_headers",
    "refuse_impossible_host",
]

_HOMES = {
    "address": ("normalised_url", "refuse_impossible_host"),
    "compatible": ("CompatibleBackend",),
    "endpoint": ("Endpoint", "Names"),
    "failures": ("Asked", "Rule", "Said"),
    "headers": ("HeaderLines", "parsed_headers"),
    "measure": ("Measure",),
    "settings": ("CompatibleSettings", "Key", "Word", "missing"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


@hookimpl
def ellmental_generators() -> list[GeneratorSpec]:
    """Offer OPENAI. Names alone: what is behind them is imported when it is loaded."""
    return [
        GeneratorSpec(
            name="OPENAI",
            summary="OpenAI's models, and any server that speaks OpenAI's protocol",
            settings="ellmental_embeddings_openai.settings:OpenAISettings",
            backend="ellmental_embeddings_openai.backend:OpenAIBackend",
            variant=("OPENAI_TYPE", "openai"),
        )
    ]


# No __dir__ beside it: pluggy looks at every name of dir(), which would import them all.
def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value
