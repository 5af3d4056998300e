"""Arrow's columns as Python's values, such that Arrow takes every one of them back."""

from __future__ import annotations

import base64
import math
from typing import Any

__all__ = ["NotUnicode", "for_json", "plain_values"]


def plain_values(column: Any) -> list[object]:
    """The values of an Arrow array.

    Times to the nanosecond are numbers of nanoseconds: Python has no such times. A string that
    is no UTF-8 is a ``NotUnicode``.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_temporal(kind) and getattr(kind, "unit", "") == "ns":
        column = column.cast(pa.int64())
    try:
        values: list[object] = column.to_pylist()
    except UnicodeDecodeError:  # Parquet's strings are whatever the writer put there
        values = [_value(scalar) for scalar in column]
    return values


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
