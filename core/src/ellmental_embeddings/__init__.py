"""eLLMental embedding generators: text in, vectors out, whatever makes the vectors.

Every name below is imported when it is first used, so that importing this package costs
nothing: no numpy, no pydantic, no plugin, no SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from .backend import Backend, Batch, Limits, ModelInfo, RateStatus, Reply, Role
    from .catalogue import GeneratorStatus, describe_generator, installed_generators
    from .completions import CompletedBatch, Completions
    from .engine.pace import PaceStatus
    from .errors import (
        AuthenticationFailed,
        BadReply,
        BatchTooLarge,
        ConfigurationError,
        EmbeddingError,
        EmbeddingFailed,
        GeneratorNotFound,
        PluginError,
        QuotaExhausted,
        RateLimited,
        SpaceMismatch,
        TextRejected,
        TextTooLong,
        Unavailable,
    )
    from .generator import EmbeddingGenerator
    from .hookspecs import hookimpl
    from .loading import load_generator
    from .progress import Progress
    from .progress_bars import terminal_progress, tqdm_progress
    from .result import Embeddings, Estimate, Outcome, Space, Usage
    from .settings import BackendSettings, CoreSettings, SettingWarning, list_variables
    from .spec import GeneratorSpec
    from .variables import Variable, Variables

__all__ = [
    "AuthenticationFailed",
    "Backend",
    "BackendSettings",
    "BadReply",
    "Batch",
    "BatchTooLarge",
    "CompletedBatch",
    "Completions",
    "ConfigurationError",
    "CoreSettings",
    "EmbeddingError",
    "EmbeddingFailed",
    "EmbeddingGenerator",
    "Embeddings",
    "Estimate",
    "GeneratorNotFound",
    "GeneratorSpec",
    "GeneratorStatus",
    "Limits",
    "ModelInfo",
    "Outcome",
    "PaceStatus",
    "PluginError",
    "Progress",
    "QuotaExhausted",
    "RateLimited",
    "RateStatus",
    "Reply",
    "Role",
    "SettingWarning",
    "Space",
    "SpaceMismatch",
    "TextRejected",
    "TextTooLong",
    "Unavailable",
    "Usage",
    "Variable",
    "Variables",
    "describe_generator",
    "hookimpl",
    "installed_generators",
    "list_variables",
    "load_generator",
    "terminal_progress",
    "tqdm_progress",
]

_HOMES = {
    "backend": ("Backend", "Batch", "Limits", "ModelInfo", "RateStatus", "Reply", "Role"),
    "completions": ("CompletedBatch", "Completions"),
    "catalogue": ("GeneratorStatus", "describe_generator", "installed_generators"),
    "generator": ("EmbeddingGenerator",),
    "engine.pace": ("PaceStatus",),
    "hookspecs": ("hookimpl",),
    "loading": ("load_generator",),
    "progress": ("Progress",),
    "progress_bars": ("terminal_progress", "tqdm_progress"),
    "result": ("Embeddings", "Estimate", "Outcome", "Space", "Usage"),
    "settings": ("BackendSettings", "CoreSettings", "SettingWarning", "list_variables"),
    "spec": ("GeneratorSpec",),
    "variables": ("Variable", "Variables"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with import_module(".importing", __name__).uncollected():
        value = getattr(import_module(f".{_HOME.get(name, 'errors')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
