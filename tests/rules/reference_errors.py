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

_FROM_BACKENDS = (
    *("ConfigurationError", "PluginError", "AuthenticationFailed", "QuotaExhausted"),
    *("RateLimited", "Unavailable", "BatchTooLarge", "TextRejected", "TextTooLong", "BadReply"),
)
_MANY = 8
_ENDLESS = 5
"""Tries after which nothing but the deadline ends them."""
_COUNTED = {1: "at once", 2: "at its second try", 3: "at its third try"}


def part(what: str) -> str:
    """``overview``, a table; or ``errors``, all of them, in the order of their tree."""
    kinds = [getattr(errors, name) for name in _in_order()]
    return _overview(kinds) if what == "overview" else "\n\n".join(map(_described, kinds))


def _overview(kinds: list[type[errors.EmbeddingError]]) -> str:
    lines = ["| error | meaning | exit code | the engine |", "|---|---|---|---|"]
    for kind in kinds:
        name, (meaning, *_) = kind.__name__, as_markdown(kind).split("\n\n")
        heeded = _heeded(kind()) if name in _FROM_BACKENDS else ""
        code = _exit_code(kind.__new__(kind))
        lines.append(f"| [`{name}`](#{name.lower()}) | {meaning} | {code} | {heeded} |")
    return "\n".join(lines)


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
        lines[-1] += f" Where a backend raises it, the engine {_heeded(kind())}."
    return "\n\n".join(lines)


def _exit_code(error: errors.EmbeddingError) -> int:
    with contextlib.redirect_stderr(io.StringIO()):
        return _explain(error)


def _heeded(error: errors.EmbeddingError) -> str:
    """What the engine does about an error that comes again and again."""
    many, alone = _walk(error, _MANY), _walk(error, 1)
    if many[-1] is retry.Stop:
        return "ends the call"
    if many[-1] is retry.Again:
        return "waits and sends the batch again, until EMBEDDING_DEADLINE is over"
    before = "sends the batch once more, then its" if len(many) > 1 else "sends the batch in"
    said = f"{before} two halves; a text alone fails {_COUNTED[len(alone)]}"
    if isinstance(error, errors.TextRejected):
        pointed = type(error)(index=0)
        assert _walk(pointed, _MANY) == [retry.Drop]
        said += ". With an index, that text fails, and the others are sent again"
    return said


def _walk(error: errors.EmbeddingError, texts: int) -> list[type[retry.Step]]:
    """The steps until one ends it, or its deadline would."""
    steps: list[type[retry.Step]] = []
    while len(steps) < _ENDLESS and (not steps or steps[-1] is retry.Again):
        number = len(steps) + 1
        attempt = retry.Attempt(
            texts=texts, tries=number, spent=0.0, deadline=math.inf, bad_replies=number
        )
        steps.append(type(retry.next_step(error, attempt)))
    return steps
