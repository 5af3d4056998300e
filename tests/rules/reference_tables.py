"""The tables of docs/reference/settings.md, made from the code.

Written into the page by reference.py.
"""

from __future__ import annotations

from reference_settings import every_setting, rows_of

from ellmental_embeddings import CoreSettings
from ellmental_embeddings.registry import Registry, import_object

__all__ = ["part"]

_GENERATORS = {
    "LOCAL": "`LOCAL`",
    "OPENAI openai": "`OPENAI` with `OPENAI_TYPE=openai`",
    "OPENAI azure": "`OPENAI` with `OPENAI_TYPE=azure`",
    "SPACES_TEXT": "`SPACES_TEXT` and `SPACES_INSTRUCT`",
}


def part(what: str) -> str:
    """The table of the core, or of what a generator (``NAME`` or ``NAME variant``) adds.

    ``every setting`` is all of them, each under its own heading.
    """
    if what == "every setting":
        own = {label: _settings(name) for name, label in _GENERATORS.items()}
        return every_setting({"all generators": CoreSettings, **own})
    core = {row.name for row in rows_of(CoreSettings)}
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for row in rows_of(_settings(what)):
        if what == "CoreSettings" or row.name not in core:
            default = "required" if row.required else f"`{row.default}`" if row.default else "none"
            link = f"[`{row.name}`](#{row.name.lower()})"
            lines.append(f"| {link} | {default} | {row.meaning} |")
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
