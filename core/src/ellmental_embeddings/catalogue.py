"""What is installed, whether it is ready, and what it needs: for people to read.

``ellmental generators`` and ``ellmental doctor`` show this; no request is sent.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from .backend import Limits, ModelInfo
from .errors import ConfigurationError, EmbeddingError, GeneratorNotFound, PluginError
from .registry import Offer, Registry, Trouble, blocked_dists, import_object, make_backend
from .variables import Variable, Variables

if TYPE_CHECKING:
    from .settings import CoreSettings

__all__ = ["GeneratorStatus", "blocked_dists", "describe_generator", "installed_generators"]

_SLOW = 0.5
"""Seconds to import from which on a plugin is told of. Ours take hundredths, an SDK about this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorStatus:
    """One generator as it stands on this machine.

    Attributes:
        name: what EMBEDDING_GENERATOR is set to.
        label: the name with its variant, as shown to people.
        summary: one line from its plugin.
        dist: the dist that brings it, and ``version``, its version.
        state: ``ready``; ``not ready`` (variables missing or wrong); ``broken``; ``blocked``.
        variant: the variable and its value that choose it among those of one name, or None.
        reason: why it is not ready, else empty.
        warning: what is amiss though it works: a plugin that is slow to import; else empty.
        missing: variables that are needed, as things stand, and not set.
        variables: all its variables with values and sources; empty where broken.
        limits, model: what its backend says of itself; only from ``describe_generator``.
    """

    name: str
    label: str
    summary: str
    dist: str
    version: str
    state: Literal["ready", "not ready", "broken", "blocked"]
    variant: tuple[str, str] | None = None
    reason: str = ""
    warning: str = ""
    missing: tuple[str, ...] = ()
    variables: tuple[Variable, ...] = ()
    limits: Limits = field(default_factory=Limits)
    model: ModelInfo = field(default_factory=ModelInfo)


def installed_generators(variables: Variables | None = None) -> list[GeneratorStatus]:
    """Every generator that an installed plugin offers, and every plugin that is broken.

    Imports each plugin and its settings, no backend and no SDK.
    """
    given = variables or Variables()
    offers, troubles = Registry(blocked_dists(given)).offers()
    claims: dict[str, list[str]] = {}
    for offer in offers:
        claims.setdefault(offer.spec.label.upper(), []).append(offer.dist)
    statuses = [_of_trouble(trouble) for trouble in troubles]
    for offer in offers:
        status, claimed_by = _of_offer(offer, given), claims[offer.spec.label.upper()]
        statuses.append(_conflicting(status, claimed_by) if len(claimed_by) > 1 else status)
    return sorted(statuses, key=lambda status: (status.label, status.dist))


def describe_generator(name: str, variables: Variables | None = None) -> GeneratorStatus:
    """One generator with its limits and its model, as its backend declares them.

    Raises:
        GeneratorNotFound: nothing installed offers it.
        PluginError: its plugin is broken, or two dists claim the name.
    """
    given = variables or Variables()
    registry = Registry(blocked_dists(given))
    try:
        return _of_offer(registry.choose(name.strip().upper(), given), given, with_backend=True)
    except GeneratorNotFound as missing:
        offers, _ = registry.offers(name.strip().upper())
        if not offers:
            raise
        status = _of_offer(offers[0], given)
        state = "not ready" if status.state == "ready" else status.state
        return replace(status, state=state, reason=str(missing))


def _of_offer(offer: Offer, variables: Variables, *, with_backend: bool = False) -> GeneratorStatus:
    from .settings import BackendSettings, build_settings, list_variables, without_secrets

    spec, limits, model = offer.spec, Limits(), ModelInfo()
    state: Literal["ready", "not ready", "broken"] = "ready"
    reason, rows = "", []
    missing: tuple[str, ...] = ()
    seconds, began = offer.seconds, time.perf_counter()
    try:
        settings_class: type[CoreSettings] = import_object(
            spec.settings, offer.dist, BackendSettings
        )
        seconds += time.perf_counter() - began
        rows = list_variables(settings_class, variables)
    except EmbeddingError as error:
        state, reason = "broken", str(error)
    else:
        try:
            settings = build_settings(settings_class, variables, needed_by=spec.label)
            if with_backend:
                backend = make_backend(offer, settings)
                limits, model = backend.limits, backend.model
        except PluginError as error:
            state, reason = "broken", str(error)
        except EmbeddingError as error:
            state, reason = "not ready", str(error)
            missing = error.missing if isinstance(error, ConfigurationError) else ()
        except Exception as error:  # noqa: BLE001 - a broken plugin never breaks the others
            said = without_secrets(f"{type(error).__name__}: {error}", settings_class, variables)
            state, reason = "broken", f"{offer.dist} is broken: {said}. Tell its authors."
    return GeneratorStatus(
        name=spec.name,
        label=spec.label,
        summary=spec.summary,
        dist=offer.dist,
        version=offer.version,
        variant=spec.variant,
        state=state,
        reason=reason,
        warning=_about_slowness(offer.dist, seconds) if seconds >= _SLOW else "",
        missing=missing,
        variables=tuple(rows),
        limits=limits,
        model=model,
    )


def _about_slowness(dist: str, seconds: float) -> str:
    return (
        f"{dist} took {seconds:.1f} s to import, and whoever chooses it or lists the generators "
        "waits for it. Tell its authors: what is heavy is imported by the backend alone. Or name "
        "it in EMBEDDING_PLUGINS_BLOCKED."
    )


def _of_trouble(trouble: Trouble) -> GeneratorStatus:
    return GeneratorStatus(
        name=trouble.name,
        label=trouble.name,
        summary="",
        dist=trouble.dist,
        version=trouble.version,
        state="blocked" if trouble.blocked else "broken",
        reason=trouble.reason,
    )


def _conflicting(status: GeneratorStatus, dists: list[str]) -> GeneratorStatus:
    names = " and ".join(sorted(set(dists)))
    verb = "both claim" if len(set(dists)) > 1 else "claims twice"
    remedy = "Uninstall one, or name it in EMBEDDING_PLUGINS_BLOCKED."
    reason = f"{names} {verb} {status.label}. {remedy}"
    return replace(status, state="broken", reason=reason)
