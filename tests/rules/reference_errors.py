"""Every error: its class, when it is raised, its remedy, and what follows, as Markdown."""

from __future__ import annotations

import contextlib
import io
import math

from reference_docstrings import as_markdown
from reference_objects import signature

from ellmental_embeddings import errors
from ellmental_embeddings.cli.main import _explain
from ellmental_embeddings.engine import retry

__all__ = ["part"]

_STEPS = {
    retry.Again: "waits if it has to, and sends the batch again",
    retry.Halve: "sends the two halves of the batch instead",
    retry.Drop: "lets that text fail, and sends the others again",
    retry.Stop: "ends the call",
}
_FROM_BACKENDS = (
    *("ConfigurationError", "PluginError", "AuthenticationFailed", "QuotaExhausted"),
    *("RateLimited", "Unavailable", "BatchTooLarge", "TextRejected", "BadReply"),
)
_FIRST = retry.Attempt(texts=8, tries=1, spent=0.0, deadline=math.inf)


def part(_: str) -> str:
    """All of them, in the order of their tree."""
    return "\n\n".join(_described(getattr(errors, name)) for name in _in_order())


def _in_order() -> list[str]:
    """As errors.py defines them."""
    return [name for name in vars(errors) if name in errors.__all__]


def _described(kind: type[errors.EmbeddingError]) -> str:
    name, base = kind.__name__, kind.__base__
    assert base is not None
    error = kind.__new__(kind)
    lines = [
        f"### `{name}`",
        "    " + signature(kind, f"class {name}").replace("\n", "\n    "),
        as_markdown(kind),
        f"A kind of `{base.__name__}`. Exit code of the command line: {_exit_code(error)}.",
    ]
    if name in _FROM_BACKENDS:
        lines[-1] += f" Where a backend raises it, the engine at first {_step(kind())}."
    return "\n\n".join(lines)


def _exit_code(error: errors.EmbeddingError) -> int:
    with contextlib.redirect_stderr(io.StringIO()):
        return _explain(error)


def _step(error: errors.EmbeddingError) -> str:
    return _STEPS[type(retry.next_step(error, _FIRST))]
