"""What Gradio's components take: a batch as the value of a Dataframe, a JSON or a Textbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ellmental_embeddings import BatchTooLarge

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TAKEN", "component_value", "pairs"]

TAKEN = ("dataframe", "json", "textbox")
"""The types of components that a batch can be given to."""


def component_value(component: str, texts: Sequence[str], instruction: str | None) -> Any:
    """The value to send to an input component.

    A Dataframe gets one row of n texts, or with an instruction n rows of [instruction, text].
    Gradio 4 and later insist on as many headers as columns, and 4 on their being text.

    Raises:
        BatchTooLarge: a Textbox holds one text.
    """
    if component == "textbox":
        if len(texts) > 1:
            raise BatchTooLarge("the endpoint takes one text a call", items=1)
        return texts[0]
    rows = [list(texts)] if instruction is None else pairs(texts, instruction)
    if component == "json":
        return rows[0] if instruction is None else rows
    headers = (
        [str(column) for column in range(len(texts))]
        if instruction is None
        else ["instruction", "text"]
    )
    return {"headers": headers, "data": rows, "metadata": None}


def pairs(texts: Sequence[str], instruction: str) -> list[list[str]]:
    """Each text beside its instruction."""
    return [[instruction, text] for text in texts]
