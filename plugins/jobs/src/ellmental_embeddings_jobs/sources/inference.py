"""Arrow types of columns whose format has none, from all of their values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["fitted", "inferred_fields"]

_ROWS = 1000


def inferred_fields(rows: Iterable[Mapping[str, object]], names: Iterable[str]) -> list[Any]:
    """Fields that hold every value of these columns.

    Whole numbers and fractions make doubles. Whatever else is mixed, and objects, makes strings:
    of JSON, where a value is no string.
    """
    import pyarrow as pa

    found = dict.fromkeys(names, pa.null())
    held: list[Mapping[str, object]] = []

    def take() -> None:
        for name, before in found.items():
            if before != pa.string():
                found[name] = _common(before, [row.get(name) for row in held])
        held.clear()

    for row in rows:
        held.append(row)
        if len(held) == _ROWS:
            take()
    take()
    return [
        pa.field(name, pa.string() if pa.types.is_null(kind) else kind)
        for name, kind in found.items()
    ]


def _common(before: Any, values: list[object]) -> Any:
    import pyarrow as pa

    try:
        now = pa.array(values).type
        if pa.types.is_nested(now):
            flat = pa.types.is_list(now) and not pa.types.is_nested(now.value_type)
            if not flat or pa.types.is_null(now.value_type):
                return pa.string()
        schemas = [pa.schema([("x", kind)]) for kind in (before, now)]
        return pa.unify_schemas(schemas, promote_options="permissive").field("x").type
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return pa.string()


def fitted(value: object, kind: Any) -> object:
    """A value as Python gives it, for a column of an Arrow type."""
    import pyarrow as pa

    if value is None:
        return None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        text = value if isinstance(value, str) else _written(value)
        return text if text.isascii() else text.encode("utf-8", "replace").decode()
    if pa.types.is_floating(kind) and isinstance(value, int):
        return float(value)
    return value


def _written(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return json.dumps(value, ensure_ascii=False, default=str)
