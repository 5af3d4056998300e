"""Every hook with its signature, how answers are taken, and its docstring, as Markdown."""

from __future__ import annotations

from reference_docstrings import as_markdown
from reference_objects import signature

from ellmental_embeddings import hookspecs

__all__ = ["part"]


def part(what: str) -> str:
    """One hook, named."""
    hook = getattr(hookspecs, what)
    options = getattr(hook, f"{hookspecs.PROJECT}_spec")
    taken = (
        "The first plugin that answers is the only one asked (`firstresult`)."
        if options["firstresult"]
        else "Every plugin that has it is called; all answers count."
    )
    return f"    {signature(hook, f'def {what}')}\n\n{as_markdown(hook)}\n\n{taken}"
