"""What a call wants, and which space its vectors will live in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .result import Space

if TYPE_CHECKING:
    from .backend import Role
    from .engine.run import Engine
    from .progress import Reporter
    from .settings import CoreSettings

__all__ = ["OnError", "Wanted", "instruction_of", "space_of"]

OnError = Literal["raise", "keep"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a call is to be made, and who is told how far it is."""

    role: Role
    instruction: str | None
    on_error: OnError
    reporter: Reporter


def instruction_of(settings: CoreSettings, role: str) -> str | None:
    """What the settings say that the model is told for a role."""
    if role == "document":
        return settings.embedding_document_instruction
    return settings.embedding_query_instruction


def space_of(
    engine: Engine, settings: CoreSettings, generator: str, role: Role, instruction: str | None
) -> Space:
    """The space of a call's vectors, as far as it is known by now.

    Args:
        engine: knows the model.
        settings: the instructions, where the call has none of its own.
        generator: its name, in place of a model's that nobody names.
        role: the call's.
        instruction: the call's own, or None.
    """
    told = {each: instruction_of(settings, each) or None for each in ("document", "query")}
    if instruction is not None:
        told[role] = instruction or None
    model, service = engine.model, engine.service
    name = model.name or service.model
    if name is None and service.answered:
        # Two services that name no model must not pass for one space.
        name = f"unnamed model of {generator}"
    return Space(
        model=name,
        revision=model.revision,
        dimensions=service.width,
        document_instruction=told["document"],
        query_instruction=told["query"],
        overlong=settings.embedding_overlong,
        normalised=model.normalised,
    )
