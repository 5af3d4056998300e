"""The tables of docs/reference/settings.md, made from the code.

Written into the page by reference.py.
"""

from __future__ import annotations

from ellmental_embeddings import CoreSettings, Variables, list_variables
from ellmental_embeddings.registry import Registry, import_object

__all__ = ["part"]


def part(what: str) -> str:
    """The settings of the core, or what a generator (``NAME`` or ``NAME variant``) adds."""
    nothing_set = Variables({})
    nothing_set.environment, nothing_set.env_file = {}, {}
    core = {row.name for row in list_variables(CoreSettings, nothing_set)}
    rows = [
        row
        for row in list_variables(_settings(what), nothing_set)
        if what == "CoreSettings" or row.name not in core
    ]
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for row in rows:
        default = "required" if row.required else f"`{row.default}`" if row.default else "none"
        lines.append(f"| `{row.name}` | {default} | {row.meaning} |")
    return "\n".join(lines) + "\n"


def _settings(what: str) -> type[CoreSettings]:
    if what == "CoreSettings":
        return CoreSettings
    name, _, variant = what.partition(" ")
    offers, _ = Registry().offers(name)
    for offer in offers:
        if not variant or (offer.spec.variant and offer.spec.variant[1] == variant):
            settings: type[CoreSettings] = import_object(offer.spec.settings, offer.dist)
            return settings
    raise LookupError(what)
