"""Entry points to specs, lazily: choosing one generator imports only its plugin.

pluggy's own entry-point loader stops at the first plugin that raises, so each plugin is loaded
on its own here, and what is wrong with one is kept beside the others.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import importlib_metadata
import pluggy

from . import hookspecs
from .errors import ConfigurationError, GeneratorNotFound, PluginError
from .spec import GeneratorSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from .variables import Variables

__all__ = [
    "COMMANDS",
    "GENERATORS",
    "Offer",
    "Registry",
    "Trouble",
    "add_commands",
    "import_object",
]

GENERATORS = "ellmental_embeddings"
"""Entry-point group of plugins that offer generators; entry-point name = generator name."""

COMMANDS = "ellmental_embeddings.commands"
"""Entry-point group of plugins that add commands to ``ellmental``."""

_OUR_DISTS = {
    ("LOCAL", None): "ellmental-embeddings-local",
    ("OPENAI", None): "ellmental-embeddings-openai",
    ("OPENAI", "openai"): "ellmental-embeddings-openai",
    ("OPENAI", "azure"): "ellmental-embeddings-azure",
    ("SPACES_TEXT", None): "ellmental-embeddings-spaces",
    ("SPACES_INSTRUCT", None): "ellmental-embeddings-spaces",
}
"""What to pip install for the generators that this project publishes; for messages only."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A generator that can be chosen, and the dist that brings it."""

    spec: GeneratorSpec
    dist: str
    version: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A plugin that cannot be used, and why. It hurts only who asks for it."""

    name: str
    dist: str
    version: str
    reason: str
    blocked: bool = False


class Registry:
    """What is installed. One per process is enough; the tests make their own."""

    def __init__(self, blocked: Iterable[str] = ()) -> None:
        self._blocked = {canonical(name) for name in blocked}
        self._loaded: dict[tuple[str, str], list[Offer] | str] = {}
        self._plugins = pluggy.PluginManager(hookspecs.PROJECT)
        self._plugins.add_hookspecs(hookspecs)

    def names(self) -> list[str]:
        """The generator names that entry points announce; nothing is imported."""
        return sorted({point.name.upper() for point in _entry_points(GENERATORS)})

    def offers(self, name: str | None = None) -> tuple[list[Offer], list[Trouble]]:
        """Load the plugins that announce a name (or all) and say what they offer.

        Returns:
            What can be chosen, and what is wrong with the plugins that cannot be used.
        """
        offers: list[Offer] = []
        troubles: list[Trouble] = []
        for point in _entry_points(GENERATORS):
            announced = point.name.upper()
            if name is not None and announced != name:
                continue
            found = self._load(point)
            if isinstance(found, str):
                dist, version = _dist(point)
                blocked = canonical(dist) in self._blocked
                troubles.append(Trouble(announced, dist, version, found, blocked))
            else:
                offers += [offer for offer in found if offer.spec.name.upper() == announced]
        return offers, troubles

    def choose(self, name: str, variables: Variables) -> Offer:
        """The one offer that a generator name stands for.

        Raises:
            GeneratorNotFound: nothing installed offers it; says what does, and what to install.
            PluginError: its plugin is broken, or two dists claim the name.
        """
        offers, troubles = self.offers(name)
        _refuse_conflicts(offers)
        if not offers:
            if troubles:
                raise PluginError("\n".join(f"{name}: {item.reason}" for item in troubles))
            raise GeneratorNotFound(self._about_missing(name))
        if offers[0].spec.variant is None:
            return offers[0]
        variable = offers[0].spec.variant[0]
        wanted = (variables.text(variable) or name).lower()
        for offer in offers:
            if offer.spec.variant and offer.spec.variant[1].lower() == wanted:
                return offer
        if broken := [item.reason for item in troubles]:
            raise PluginError("\n".join(broken))
        raise GeneratorNotFound(_about_missing_variant(name, variable, wanted, offers))

    def _load(self, point: importlib_metadata.EntryPoint) -> list[Offer] | str:
        dist, version = _dist(point)
        if canonical(dist) in self._blocked:
            return f"{dist} is blocked by EMBEDDING_PLUGINS_BLOCKED."
        key = (dist, point.value)
        if key not in self._loaded:
            try:
                specs = self._specs(point, dist)
            except PluginError as error:
                self._loaded[key] = str(error)
            else:
                self._loaded[key] = [Offer(spec, dist, version) for spec in specs]
        found = self._loaded[key]
        if not isinstance(found, str) and not any(
            offer.spec.name.upper() == point.name.upper() for offer in found
        ):
            return (
                f"{dist} announces {point.name} as an entry point, but its ellmental_generators "
                f"offers {', '.join(offer.spec.name for offer in found) or 'nothing'}."
            )
        return found

    def _specs(self, point: importlib_metadata.EntryPoint, dist: str) -> list[GeneratorSpec]:
        plugin = _register(self._plugins, point, dist, "ellmental_generators")
        others = [other for other in self._plugins.get_plugins() if other is not plugin]
        caller = self._plugins.subset_hook_caller("ellmental_generators", others)
        try:
            results = cast("list[Any]", caller())
        except Exception as error:
            raise PluginError(_broken(dist, "its ellmental_generators raised", error)) from error
        specs = [spec for result in results for spec in result]
        if not all(isinstance(spec, GeneratorSpec) for spec in specs):
            raise PluginError(
                f"{dist} is broken: its ellmental_generators returned something that is no "
                "GeneratorSpec. Tell its authors, or uninstall it."
            )
        return specs

    def _about_missing(self, name: str) -> str:
        installed = self.names()
        lines = [f"EMBEDDING_GENERATOR={name}: no installed plugin offers {name}."]
        lines.append(f"Installed: {', '.join(installed) or 'none'}.")
        known = sorted({*installed, *(known for known, _ in _OUR_DISTS)})
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        if (name, None) in _OUR_DISTS:
            lines.append(f"Install it with: pip install {_OUR_DISTS[name, None]}")
        elif close and close[0] in installed:
            lines.append(f"Did you mean {close[0]}?")
        elif close:
            lines.append(
                f"Did you mean {close[0]}? Install it with: "
                f"pip install {_OUR_DISTS[close[0], None]}"
            )
        if not installed and name not in {known for known, _ in _OUR_DISTS}:
            lines.append("Install one with: pip install ellmental-embeddings-local")
        return "\n".join(lines)


def add_commands(group: click.Group) -> list[Trouble]:
    """Let every command plugin add its commands; return what is wrong with those that cannot."""
    troubles = []
    for point in _entry_points(COMMANDS):
        dist, version = _dist(point)
        plugins = pluggy.PluginManager(hookspecs.PROJECT)
        plugins.add_hookspecs(hookspecs)
        try:
            _register(plugins, point, dist, "ellmental_commands")
            plugins.hook.ellmental_commands(group=group)
        except PluginError as error:
            troubles.append(Trouble(point.name, dist, version, str(error)))
        except Exception as error:  # noqa: BLE001 - a broken plugin never breaks the others
            reason = _broken(dist, "its ellmental_commands raised", error)
            troubles.append(Trouble(point.name, dist, version, reason))
    return troubles


def import_object(path: str, dist: str) -> Any:
    """Import ``"module:Class"``.

    Raises:
        PluginError: naming the dist, when it cannot be imported.
    """
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ConfigurationError:
        raise
    except Exception as error:
        raise PluginError(_broken(dist, f"{path} does not import", error)) from error


def canonical(dist: str) -> str:
    """A dist's name as PyPI compares it: lower case, runs of ``-_.`` folded into one ``-``."""
    return re.sub(r"[-_.]+", "-", dist.strip()).lower()


@cache
def _entry_points(group: str) -> tuple[importlib_metadata.EntryPoint, ...]:
    points = importlib_metadata.entry_points(group=group)
    return tuple(sorted(points, key=lambda point: (point.name, _dist(point)[0])))


def _dist(point: importlib_metadata.EntryPoint) -> tuple[str, str]:
    dist = point.dist
    return ("an unknown dist", "?") if dist is None else (dist.name, dist.version)


def _register(
    plugins: pluggy.PluginManager, point: importlib_metadata.EntryPoint, dist: str, hook: str
) -> Any:
    try:
        plugin = point.load()
    except (Exception, SystemExit) as error:
        raise PluginError(_broken(dist, f"{point.value} does not import", error)) from error
    implementation = getattr(plugin, hook, None)
    if inspect.iscoroutinefunction(implementation):
        raise PluginError(
            f"{dist} is broken: its {hook} is async; hooks register, they are never awaited. "
            "Tell its authors, or uninstall it."
        )
    try:
        plugins.register(plugin, name=f"{dist}:{point.value}")
        plugins.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        if plugins.is_registered(plugin):
            plugins.unregister(plugin)
        raise PluginError(_broken(dist, "its hooks do not fit", error)) from error
    if hook not in {caller.name for caller in plugins.get_hookcallers(plugin) or ()}:
        plugins.unregister(plugin)
        raise PluginError(
            f"{dist} is broken: {point.value} has no {hook} decorated with @hookimpl. "
            "Tell its authors, or uninstall it."
        )
    return plugin


def _broken(dist: str, what: str, error: BaseException) -> str:
    return (
        f"{dist} is broken: {what} ({type(error).__name__}: {error}). Reinstall it, tell its "
        "authors, or name it in EMBEDDING_PLUGINS_BLOCKED."
    )


def _refuse_conflicts(offers: list[Offer]) -> None:
    by_variant = defaultdict(list)
    for offer in offers:
        variant = offer.spec.variant
        by_variant[(variant[0], variant[1].lower()) if variant else None].append(offer)
    clash = next((same for same in by_variant.values() if len(same) > 1), None)
    if clash is None and None in by_variant and len(by_variant) > 1:
        clash = offers
    if clash is not None:
        dists = " and ".join(sorted({offer.dist for offer in clash}))
        raise PluginError(
            f"{dists} both claim the generator {clash[0].spec.label}. Uninstall one, or name it "
            "in EMBEDDING_PLUGINS_BLOCKED."
        )


def _about_missing_variant(name: str, variable: str, wanted: str, offers: list[Offer]) -> str:
    installed = ", ".join(
        f"{offer.spec.variant[1]} ({offer.dist})" for offer in offers if offer.spec.variant
    )
    lines = [f"{variable}={wanted}: no installed plugin offers it. Installed: {installed}."]
    if dist := _OUR_DISTS.get((name, wanted)):
        lines.append(f"Install it with: pip install {dist}")
    else:
        kinds = {kind: dist for (known, kind), dist in _OUR_DISTS.items() if known == name and kind}
        lines += [f"For {kind}: pip install {dist}" for kind, dist in kinds.items()]
    return "\n".join(lines)
