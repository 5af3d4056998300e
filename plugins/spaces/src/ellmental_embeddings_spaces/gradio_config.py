"""Gradio's ``/config``: version, protocol, and the endpoint that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ellmental_embeddings import ConfigurationError

from .payload import TAKEN

__all__ = ["Endpoint", "GradioConfig", "read_config"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One function of an app.

    Attributes:
        name: its name, without the slash.
        function: its number, which the queue goes by.
        component: the type of its one input.
        generator: whether it answers in steps.
    """

    name: str
    function: int
    component: str
    generator: bool


@dataclass(frozen=True, slots=True)
class GradioConfig:
    """What a Gradio server says about itself.

    Attributes:
        version: e.g. ``5.50.0``.
        protocol: of its queue: ``ws`` (3.x), ``sse`` (4.0), ``sse_v1`` to ``sse_v3``.
        prefix: before the queue's paths: ``/gradio_api`` from 5 on.
    """

    version: str
    protocol: str
    prefix: str
    dependencies: list[Any]
    components: list[Any]

    def endpoint(self, wanted: str) -> Endpoint:
        """The endpoint of a name.

        Raises:
            ConfigurationError: there is none, naming those that there are; or it takes
                something that texts cannot be put into.
        """
        names = {
            str(each["api_name"]).strip("/"): (place, each)
            for place, each in enumerate(self.dependencies)
            if isinstance(each, dict)
            and isinstance(each.get("api_name"), str)
            and each.get("api_visibility") != "private"  # 6.x: has a name, cannot be called
        }
        name = wanted.strip("/")
        if name not in names:
            known = ", ".join(f"/{each}" for each in sorted(names)) or "none with a name"
            raise ConfigurationError(
                f"SPACES_ENDPOINT={wanted}: the app has no such endpoint. It has: {known}."
            )
        place, found = names[name]
        given = found.get("inputs")
        inputs = [self._type(each) for each in given] if isinstance(given, list) else ["unknown"]
        if len(inputs) != 1 or inputs[0] not in TAKEN:
            raise ConfigurationError(
                f"SPACES_ENDPOINT={wanted} takes {', '.join(inputs) or 'nothing'}: one input is "
                f"needed, a {', a '.join(TAKEN)}. Choose another endpoint, or change the app."
            )
        kinds, number = found.get("types"), found.get("id", place)
        return Endpoint(
            name,
            number if isinstance(number, int) else place,
            inputs[0],
            generator=isinstance(kinds, dict) and bool(kinds.get("generator")),
        )

    def _type(self, identifier: object) -> str:
        for each in self.components:
            if isinstance(each, dict) and each.get("id") == identifier:
                return str(each.get("type", "")).lower()
        return "unknown"


def read_config(content: object) -> GradioConfig | None:
    """What a parsed ``/config`` says; None where it is not Gradio's."""
    if not isinstance(content, dict):
        return None
    dependencies, version = content.get("dependencies"), content.get("version")
    components = content.get("components")
    if not isinstance(dependencies, list) or not isinstance(version, str):
        return None
    return GradioConfig(
        version=version.strip(),  # 3.36 has a line end in it
        protocol=str(content.get("protocol") or "ws"),
        prefix=str(content.get("api_prefix") or "").rstrip("/"),
        dependencies=dependencies,
        components=components if isinstance(components, list) else [],
    )
