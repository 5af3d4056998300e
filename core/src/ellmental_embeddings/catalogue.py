"""What is installed, whether it is ready, and what it needs: for people to read.

``ellmental generators`` and ``ellmental doctor`` show this; no request is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from .backend import Limits, ModelInfo
from .errors import EmbeddingError, GeneratorNotFound
from .registry import Offer, Registry, Trouble, import_object
from .variables import Variable, Variables

if TYPE_CHECKING:
    from .backend import Backend
    from .settings import CoreSettings

__all__ = ["GeneratorStatus", "blocked_dists", "describe_generator", "installed_generators"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorStatus:
    """One generator as it stands on this machine.

    Attributes:
        name: what EMBEDDING_GENERATOR is set to.
        label: the name with its variant, as shown to people.
        summary: one line from its plugin.
        dist: the dist that brings it, and ``version``, its version.
        state: ``ready``; ``not ready`` (variables missing or wrong); ``broken``; ``blocked``.
        reason: why it is not ready, else empty.
        missing: required variables that are not set.
        variables: all its variables with values and sources; empty where broken.
        limits, model: what its backend says of itself; only from ``describe_generator``.
    """

    name: str
    label: str
    summary: str
    dist: str
    version: str
    state: Literal["ready", "not ready", "broken", "blocked"]
    reason: str = ""
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
    statuses = [_of_offer(offer, given) for offer in offers] + [_of_trouble(t) for t in troubles]
    claims: dict[str, set[str]] = {}
    for status in statuses:
        claims.setdefault(status.label, set()).add(status.dist)
    return [
        _conflicting(status, claims[status.label]) if len(claims[status.label]) > 1 else status
        for status in sorted(statuses, key=lambda status: (status.label, status.dist))
    ]


def describe_generator(name: str, variables: Variables | None = None) -> GeneratorStatus:
    """One generator with its limits and its model, as its backend declares them.

    Raises:
        GeneratorNotFound: nothing installed offers it.
        PluginError: its plugin is broken, or two dists claim the name.
    """
    given = variables or Variables()
    registry = Registry(blocked_dists(given))
    try:
        offer = registry.choose(name.strip().upper(), given)
    except GeneratorNotFound:
        offers, _ = registry.offers(name.strip().upper())
        if not offers:
            raise
        offer = offers[0]
    return _of_offer(offer, given, with_backend=True)


def blocked_dists(variables: Variables) -> list[str]:
    """The dists that EMBEDDING_PLUGINS_BLOCKED names."""
    return [name for name in (variables.text("EMBEDDING_PLUGINS_BLOCKED") or "").split(",") if name]


def _of_offer(offer: Offer, variables: Variables, *, with_backend: bool = False) -> GeneratorStatus:
    from .settings import build_settings, list_variables

    spec, limits, model = offer.spec, Limits(), ModelInfo()
    state: Literal["ready", "not ready", "broken"] = "ready"
    reason, rows = "", []
    try:
        settings_class: type[CoreSettings] = import_object(spec.settings, offer.dist)
    except EmbeddingError as error:
        state, reason = "broken", str(error)
    else:
        rows = list_variables(settings_class, variables)
        try:
            settings = build_settings(settings_class, variables, needed_by=spec.label)
            if with_backend:
                backend: Backend = import_object(spec.backend, offer.dist)(settings)
                limits, model = backend.limits, backend.model
        except EmbeddingError as error:
            state, reason = "not ready", str(error)
    return GeneratorStatus(
        name=spec.name,
        label=spec.label,
        summary=spec.summary,
        dist=offer.dist,
        version=offer.version,
        state=state,
        reason=reason,
        missing=tuple(row.name for row in rows if row.source == "missing"),
        variables=tuple(rows),
        limits=limits,
        model=model,
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


def _conflicting(status: GeneratorStatus, dists: set[str]) -> GeneratorStatus:
    if status.state == "blocked":
        return status
    names = " and ".join(sorted(dists))
    remedy = "Uninstall one, or name it in EMBEDDING_PLUGINS_BLOCKED."
    reason = f"{names} both claim {status.label}. {remedy}"
    return replace(status, state="broken", reason=reason)
