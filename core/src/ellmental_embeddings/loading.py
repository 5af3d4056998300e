"""``load_generator``: from a name and settings to a generator that is ready to use."""

from __future__ import annotations

import warnings
from typing import Any

from .errors import ConfigurationError
from .generator import EmbeddingGenerator
from .importing import uncollected
from .registry import Registry, blocked_dists, import_object, make_backend
from .settings import BackendSettings, SettingWarning, build_settings, variable_names
from .variables import Variables

__all__ = ["load_generator"]


def load_generator(name: str | None = None, /, **settings: Any) -> EmbeddingGenerator:
    """Load an embedding generator.

    Args:
        name: which one; by default what EMBEDDING_GENERATOR says, else LOCAL.
        **settings: settings by their variable's name, e.g. ``BATCH_SIZE=100``; they win over
            the environment and ``.env``.

    Returns:
        The generator, ready to use. Nothing was sent yet. Close it, or use it in a ``with``.

    Raises:
        GeneratorNotFound: no installed plugin offers it; says what to install.
        PluginError: its plugin is broken.
        ConfigurationError: variables are missing, wrong or unknown; all of them are named.
    """
    given = {key.upper(): value for key, value in settings.items()}
    if name is not None:
        other = given.setdefault("EMBEDDING_GENERATOR", name)
        if other != name:
            raise ConfigurationError(f"two generators were asked for: {name} and {other}")
    variables = Variables(given)
    chosen = variables.find("EMBEDDING_GENERATOR")
    wanted = str(chosen[0]).strip().upper() if chosen else "LOCAL"
    registry = Registry(blocked_dists(variables))
    if chosen is None and "LOCAL" not in registry.names():
        installed = ", ".join(registry.names()) or "none"
        raise ConfigurationError(
            "EMBEDDING_GENERATOR is not set, and its default LOCAL is not installed. "
            f"Installed: {installed}. Set EMBEDDING_GENERATOR to one of them, or install the "
            "default with: pip install ellmental-embeddings-local"
        )
    offer = registry.choose(wanted, variables)
    with uncollected():
        settings_class: type[BackendSettings] = import_object(
            offer.spec.settings, offer.dist, BackendSettings
        )
    known = [
        variable
        for field in settings_class.model_fields
        for variable in variable_names(settings_class, field)
    ]
    if passed_over := variables.passed_over():
        warnings.warn(passed_over, SettingWarning, stacklevel=2)
    for as_set, meant in variables.near_misses(known):
        warnings.warn(f"{as_set} is set; did you mean {meant}?", SettingWarning, stacklevel=2)
    built = build_settings(settings_class, variables, needed_by=offer.spec.label)
    with uncollected():  # SDKs are imported here
        return EmbeddingGenerator(
            offer.spec.label, offer.dist, built, lambda: make_backend(offer, built)
        )
