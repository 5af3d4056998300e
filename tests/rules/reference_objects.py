"""Public names with their signatures and docstrings, as Markdown.

Annotations are shown as they are written: no version of Python has a spelling of its own then.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from reference_docstrings import as_markdown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["described", "part", "signature"]

_WIDE = 90
"""Characters of a signature from which on each parameter has a line of its own."""


def part(what: str) -> str:
    """``package name name ...``: each of these names, with what belongs to it."""
    package, *names = what.split()
    module = importlib.import_module(package)
    return "\n\n".join(described(module, name) for name in names)


def described(module: ModuleType, name: str) -> str:
    """A public name: heading, signature, docstring, and the public members of a class."""
    thing = getattr(module, name)
    lines = [f"### `{name}`"]
    if inspect.isclass(thing):
        lines += [_code(signature(thing, f"class {name}")), as_markdown(thing)]
        for member, value in _members(thing, module):
            lines += [f"#### `{name}.{member}`", _code(_member(thing, member, value))]
            lines.append(as_markdown(value))
    elif inspect.isfunction(inspect.unwrap(thing) if callable(thing) else thing):
        lines += [_code(signature(thing, _def(thing, name))), as_markdown(thing)]
    else:
        lines += _assigned(module, name)
    return "\n\n".join(line for line in lines if line)


def signature(thing: Any, begin: str, *, bound: bool = False) -> str:
    """``begin(parameters) -> result``, over several lines where it is long.

    Classes whose parameters are not written by us (settings, plain exceptions) have none here.
    """
    if inspect.isclass(thing) and not _has_own_parameters(thing):
        return begin
    found = inspect.signature(thing)
    given = list(found.parameters.values())[1 if bound else 0 :]
    words = list(_parameters(given))
    result = "" if inspect.isclass(thing) else _annotation(found.return_annotation, " -> ")
    line = f"{begin}({', '.join(words)}){result}"
    if len(line) <= _WIDE:
        return line
    return "\n".join([f"{begin}(", *(f"    {word}," for word in words), f"){result}"])


def _parameters(given: list[inspect.Parameter]) -> Iterator[str]:
    kinds = inspect.Parameter
    for number, one in enumerate(given):
        before = given[number - 1].kind if number else None
        if before is kinds.POSITIONAL_ONLY and one.kind is not before:
            yield "/"
        starred = {kinds.VAR_POSITIONAL, kinds.KEYWORD_ONLY}
        if one.kind is kinds.KEYWORD_ONLY and before not in starred:
            yield "*"
        star = "*" if one.kind is kinds.VAR_POSITIONAL else ""
        star = "**" if one.kind is kinds.VAR_KEYWORD else star
        yield f"{star}{one.name}{_annotation(one.annotation, ': ')}{_default(one)}"
    if given and given[-1].kind is kinds.POSITIONAL_ONLY:
        yield "/"


def _default(one: inspect.Parameter) -> str:
    if one.default is one.empty:
        return ""
    shown = repr(one.default)
    return " = " + (shown if shown[0] != "<" and " at 0x" not in shown else "...")


def _annotation(given: Any, before: str) -> str:
    if given is inspect.Signature.empty:
        return ""
    if given is None:
        return f"{before}None"
    return before + (given if isinstance(given, str) else inspect.formatannotation(given))


def _has_own_parameters(thing: type) -> bool:
    if issubclass(thing, BaseModel):
        return False
    return any(
        "__init__" in vars(base) or "__dataclass_fields__" in vars(base)
        for base in thing.__mro__
        if _ours(base)
    )


def _members(thing: type, module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Methods and properties of a class and of its bases that have no heading of their own."""
    seen: set[str] = set()
    for base in thing.__mro__:
        if not _ours(base) or (base is not thing and base.__name__ in module.__all__):
            continue
        for name, value in vars(base).items():
            kinds = (classmethod, staticmethod, property, cached_property)
            if name.startswith(("_", "test_")) or name in seen:
                continue
            if inspect.isfunction(value) or isinstance(value, kinds):
                seen.add(name)
                yield name, value


def _ours(thing: type) -> bool:
    return thing.__module__.startswith("ellmental_embeddings")


def _member(thing: type, name: str, value: Any) -> str:
    if isinstance(value, property | cached_property):
        getter = value.fget if isinstance(value, property) else value.func
        assert getter is not None, name
        return name + _annotation(inspect.signature(getter).return_annotation, ": ")
    if isinstance(value, classmethod):
        return signature(value.__func__, f"classmethod {name}", bound=True)
    if isinstance(value, staticmethod):
        return signature(value.__func__, f"staticmethod {name}")
    return signature(value, _def(value, name), bound=True)


def _def(function: Any, name: str) -> str:
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    return f"async def {name}" if is_async else f"def {name}"


def _assigned(package: ModuleType, name: str) -> list[str]:
    """A type or a constant: the line that makes it, where it is short, and the string below it."""
    lazy = getattr(package, "_HOME", {})
    home = importlib.import_module(f"{package.__name__}.{lazy[name]}") if name in lazy else package
    body = ast.parse(inspect.getsource(home)).body
    for node, below in zip(body, [*body[1:], None], strict=True):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            line = ast.unparse(node)
            text = ""
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                text = str(below.value.value)
            return [_code(line if len(line) <= _WIDE else name), as_markdown(_Doc(text))]
    raise LookupError(f"{name} is not assigned in {home.__name__}")


class _Doc:
    """Something with a docstring of its own."""

    def __init__(self, text: str) -> None:
        self.__doc__ = text


def _code(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
