"""Arrow's columns as Python's values, such that Arrow takes every one of them back."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NotUnicode", "for_json", "plain_rows", "plain_values", "to_microseconds"]


def plain_values(column: Any) -> list[object]:
    """The values of an Arrow array.

    Times to the nanosecond are numbers of nanoseconds, also within lists and objects: Python has
    no such times. A string that is no UTF-8 is a ``NotUnicode``.
    """
    import pyarrow as pa

    kind = _without_nanoseconds(column.type, lambda _: pa.int64())
    if kind != column.type:
        column = column.cast(kind)
    try:
        values: list[object] = column.to_pylist()
    except UnicodeDecodeError:  # Parquet's strings are whatever the writer put there
        values = [_value(scalar) for scalar in column]
    return values


def plain_rows(table: Any) -> list[dict[str, Any]]:
    """The rows of an Arrow table or batch, to be shown: times are cut to the microsecond."""
    columns = [plain_values(to_microseconds(column)) for column in table.columns]
    names = table.schema.names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def to_microseconds(column: Any) -> Any:
    """The same Arrow array, with times to the nanosecond cut to the microsecond."""
    import pyarrow as pa

    def coarser(kind: Any) -> Any:
        if pa.types.is_timestamp(kind):
            return pa.timestamp("us", kind.tz)
        return pa.duration("us") if pa.types.is_duration(kind) else pa.time64("us")

    kind = _without_nanoseconds(column.type, coarser)
    return column if kind == column.type else column.cast(kind, safe=False)


def _without_nanoseconds(kind: Any, instead: Callable[[Any], Any]) -> Any:
    """An Arrow type with each type of nanoseconds in it replaced; other types as they are."""
    import pyarrow as pa

    types = pa.types
    if types.is_temporal(kind):
        return instead(kind) if getattr(kind, "unit", "") == "ns" else kind
    if types.is_dictionary(kind):
        inner = _without_nanoseconds(kind.value_type, instead)
        return kind if inner == kind.value_type else inner
    return _nested_without(kind, instead) if types.is_nested(kind) else kind


def _nested_without(kind: Any, instead: Callable[[Any], Any]) -> Any:
    import pyarrow as pa

    types = pa.types
    fields = [kind.field(number) for number in range(kind.num_fields)]
    inner = [one.with_type(_without_nanoseconds(one.type, instead)) for one in fields]
    if inner == fields:
        return kind
    if types.is_struct(kind):
        return pa.struct(inner)
    if types.is_map(kind):
        both = (kind.key_type, kind.item_type)
        return pa.map_(*(_without_nanoseconds(one, instead) for one in both))
    if types.is_fixed_size_list(kind):
        return pa.list_(inner[0], kind.list_size)
    return (pa.large_list if types.is_large_list(kind) else pa.list_)(inner[0])


def _value(scalar: Any) -> object:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return NotUnicode()


class NotUnicode:
    """A string column's value that is no UTF-8."""

    def __str__(self) -> str:
        return "bytes that are not UTF-8"


def for_json(value: object) -> object:
    """A stored value as JSON has it, for programs of any language.

    Dates and times are ISO 8601, decimals and durations texts, bytes are base64; NaN and infinity
    are null, since JSON has no word for them.
    """
    if isinstance(value, dict):
        return {str(key): for_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [for_json(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if value is None or isinstance(value, str | int):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
