"""Entry points to specs, lazily: choosing one generator imports only its plugin.

pluggy's own entry-point loader stops at the first plugin that raises, so each plugin is loaded
on its own here, and what is wrong with one is kept beside the others.
"""

from __future__ import annotations

import inspect
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import importlib_metadata
import pluggy

from . import hookspecs
from .errors import ConfigurationError, EmbeddingError, GeneratorNotFound, PluginError
from .spec import GeneratorSpec
from .variables import Variables

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from .backend import Backend
    from .settings import CoreSettings

__all__ = [
    "COMMANDS",
    "GENERATORS",
    "Offer",
    "Registry",
    "Trouble",
    "add_commands",
    "blocked_dists",
    "canonical",
    "import_object",
    "make_backend",
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

_UNKNOWN = "an unknown dist"
"""Stands for the name of a dist whose METADATA cannot be read."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A generator that can be chosen, the dist that brings it, and how long its plugin loaded."""

    spec: GeneratorSpec
    dist: str
    version: str
    seconds: float = 0.0


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
        if not name:
            raise GeneratorNotFound(
                "EMBEDDING_GENERATOR is blank: name a generator. "
                f"Installed: {', '.join(self.names()) or 'none'}."
            )
        offers, troubles = self.offers(name)
        if not offers:
            if troubles:
                raise PluginError("\n".join(f"{name}: {item.reason}" for item in troubles))
            raise GeneratorNotFound(self._about_missing(name))
        plain = next((offer for offer in offers if offer.spec.variant is None), None)
        if plain is not None:
            _refuse_conflict(offers)
            return plain
        wanted = [offer for offer in offers if _is_wanted(offer.spec, name, variables)]
        _refuse_conflict(wanted)
        if wanted:
            return wanted[0]
        if broken := [item.reason for item in troubles]:
            raise PluginError("\n".join(broken))
        raise GeneratorNotFound(_about_missing_variant(name, variables, offers))

    def _load(self, point: importlib_metadata.EntryPoint) -> list[Offer] | str:
        dist, version = _dist(point)
        if canonical(dist) in self._blocked:
            return f"{dist} is blocked by EMBEDDING_PLUGINS_BLOCKED."
        key = (dist, point.value)
        if key not in self._loaded:
            began = time.perf_counter()
            try:
                specs = _specs(point, dist)
            except PluginError as error:
                self._loaded[key] = str(error)
            else:
                took = time.perf_counter() - began
                self._loaded[key] = [Offer(spec, dist, version, took) for spec in specs]
        found = self._loaded[key]
        if not isinstance(found, str) and not any(
            offer.spec.name.upper() == point.name.upper() for offer in found
        ):
            return (
                f"{dist} announces {point.name} as an entry point, but its ellmental_generators "
                f"offers {', '.join(offer.spec.name for offer in found) or 'nothing'}."
            )
        return found

    def _about_missing(self, name: str) -> str:
        installed = self.names()
        lines = [f"No installed plugin offers the generator {name}."]
        lines.append(f"Installed: {', '.join(installed) or 'none'}.")
        known = sorted({*installed, *(known for known, _ in _OUR_DISTS)})
        import difflib

        close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
        if (name, None) in _OUR_DISTS:
            lines.append(f"Install it with: pip install {_OUR_DISTS[name, None]}")
        elif close and close[0] in installed:
            lines.append(f"Did you mean {close[0]}?")
        elif close:
            lines.append(
                f"Did you mean {close[0]}? Install it with: "
                f"pip install {_OUR_DISTS[close[0], None]}"
            )
        elif installed:
            lines.append(
                "Choose one of these with EMBEDDING_GENERATOR, or install the plugin that offers "
                f"{name}: pip install its-name. `ellmental generators` lists what is installed."
            )
        if not installed and name not in {known for known, _ in _OUR_DISTS}:
            lines.append("Install one with: pip install ellmental-embeddings-local")
        return "\n".join(lines)


def add_commands(group: click.Group) -> list[Trouble]:
    """Let every command plugin add its commands; return what is wrong with those that cannot.

    A plugin that EMBEDDING_PLUGINS_BLOCKED names is passed over.
    """
    troubles = []
    try:
        blocked = {canonical(name) for name in blocked_dists(Variables())}
    except ConfigurationError:
        blocked = set()  # an unreadable .env: whoever needs it says so, --help does not need it
    for point in _entry_points(COMMANDS):
        if blocked and canonical(_dist(point)[0]) in blocked:
            continue
        try:
            _hooks(point, "ellmental_commands").ellmental_commands(group=group)
        except PluginError as error:
            troubles.append(Trouble(point.name, *_dist(point), str(error)))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it never breaks the others
            reason = _broken(_dist(point)[0], "its ellmental_commands raised", error)
            troubles.append(Trouble(point.name, *_dist(point), reason))
    return troubles


def blocked_dists(variables: Variables) -> list[str]:
    """The dists that EMBEDDING_PLUGINS_BLOCKED names."""
    return [name for name in (variables.text("EMBEDDING_PLUGINS_BLOCKED") or "").split(",") if name]


def import_object(path: str, dist: str, base: type = object) -> Any:
    """Import ``"module:Class"``.

    Raises:
        PluginError: naming the dist, when it cannot be imported, or is no subclass of ``base``.
    """
    module, _, attribute = path.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except ConfigurationError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(_broken(dist, f"{path} does not import", error)) from error
    if base is not object and not (isinstance(found, type) and issubclass(found, base)):
        raise PluginError(
            f"{dist} is broken: {path} is no subclass of {base.__name__}. "
            "Tell its authors, or uninstall it."
        )
    return found


def make_backend(offer: Offer, settings: CoreSettings) -> Backend:
    """The backend of an offer. Whatever goes wrong, no secret shows.

    Raises:
        PluginError: naming the dist, when its class does not import or is at fault.
        EmbeddingError: what the backend says on purpose, e.g. about its settings.
    """
    from .backend import Backend
    from .engine.redact import Secrets, redact
    from .settings import secrets_of

    backend_class = import_object(offer.spec.backend, offer.dist, Backend)
    try:
        backend: Backend = backend_class(settings)
    except EmbeddingError as error:
        redact(error, Secrets(secrets_of(settings)))
        raise
    except Exception as error:  # noqa: BLE001 - raised again, without what it may show
        fault = PluginError(_broken(offer.dist, f"{offer.spec.backend} raised", error))
        fault.__cause__ = error
        redact(fault, Secrets(secrets_of(settings)))
        raise fault from fault.__cause__
    return backend


def canonical(dist: str) -> str:
    """A dist's name as PyPI compares it: lower case, runs of ``-_.`` folded into one ``-``."""
    return re.sub(r"[-_.]+", "-", dist.strip()).lower()


def _entry_points(group: str) -> tuple[importlib_metadata.EntryPoint, ...]:
    return _scanned(group, tuple(sys.path))


@cache
def _scanned(group: str, _path: tuple[str, ...]) -> tuple[importlib_metadata.EntryPoint, ...]:
    points = importlib_metadata.entry_points(group=group)
    return tuple(sorted(points, key=lambda point: (point.name, point.value)))


def _dist(point: importlib_metadata.EntryPoint) -> tuple[str, str]:
    """The name and version of a dist.

    Read by hand: ``point.dist.name`` parses all of METADATA as an e-mail, with 34 modules.
    """
    fields: dict[str, str] = {}
    if point.dist is not None:
        with suppress(Exception):  # METADATA is missing or damaged, as a half uninstall leaves it
            text = point.dist.read_text("METADATA") or point.dist.read_text("PKG-INFO") or ""
            for line in takewhile(str.strip, text.splitlines()):
                field, _, value = line.partition(":")
                fields.setdefault(field.lower(), value.strip())
    return fields.get("name") or _UNKNOWN, fields.get("version") or "?"


def _specs(point: importlib_metadata.EntryPoint, dist: str) -> list[GeneratorSpec]:
    hooks = _hooks(point, "ellmental_generators")
    try:
        specs = [spec for result in hooks.ellmental_generators() for spec in result]
    except (Exception, SystemExit) as error:
        raise PluginError(_broken(dist, "its ellmental_generators raised", error)) from error
    if not all(isinstance(spec, GeneratorSpec) for spec in specs):
        raise PluginError(
            f"{dist} is broken: its ellmental_generators returned something that is no "
            "GeneratorSpec. Tell its authors, or uninstall it."
        )
    return specs


def _hooks(point: importlib_metadata.EntryPoint, hook: str) -> pluggy.HookRelay:
    """Import a plugin and return its hooks, alone with a manager of their own."""
    plugins = pluggy.PluginManager(hookspecs.PROJECT)
    plugins.add_hookspecs(hookspecs)
    try:
        plugin = point.load()
    except (Exception, SystemExit) as error:
        what = f"{point.value} does not import"
        raise PluginError(_broken(_dist(point)[0], what, error)) from error
    implementation = getattr(plugin, hook, None)
    if inspect.iscoroutinefunction(implementation):
        raise PluginError(
            f"{_dist(point)[0]} is broken: its {hook} is async; hooks register, they are never "
            "awaited. Tell its authors, or uninstall it."
        )
    try:
        plugins.register(plugin, name=point.value)
        plugins.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        raise PluginError(_broken(_dist(point)[0], "its hooks do not fit", error)) from error
    if hook not in {caller.name for caller in plugins.get_hookcallers(plugin) or ()}:
        raise PluginError(
            f"{_dist(point)[0]} is broken: {point.value} has no {hook} decorated with @hookimpl. "
            "Tell its authors, or uninstall it."
        )
    return plugins.hook


def _broken(dist: str, what: str, error: BaseException) -> str:
    said = " ".join(f"{type(error).__name__}: {error}".split())  # on one line, whatever it was
    return (
        f"{dist} is broken: {what} ({said}). Reinstall it, tell its "
        "authors, or name it in EMBEDDING_PLUGINS_BLOCKED."
    )


def _is_wanted(spec: GeneratorSpec, name: str, variables: Variables) -> bool:
    """Whether a variant is chosen; where its variable is not set, the one named as the name."""
    if spec.variant is None:
        return True
    variable, value = spec.variant
    return (variables.text(variable) or name).lower() == value.lower()


def _refuse_conflict(claims: list[Offer]) -> None:
    if len(claims) < 2:  # noqa: PLR2004 - a conflict takes two
        return
    dists = sorted({offer.dist for offer in claims})
    verb = "both claim" if len(dists) > 1 else "claims twice"
    raise PluginError(
        f"{' and '.join(dists)} {verb} the generator {claims[0].spec.label}. Uninstall one, or "
        "name it in EMBEDDING_PLUGINS_BLOCKED."
    )


def _about_missing_variant(name: str, variables: Variables, offers: list[Offer]) -> str:
    variable = next(offer.spec.variant[0] for offer in offers if offer.spec.variant)
    wanted = (variables.text(variable) or name).lower()
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
