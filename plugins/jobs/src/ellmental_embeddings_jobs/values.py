"""Arrow's columns as Python's values, such that Arrow takes every one of them back."""

from __future__ import annotations

from typing import Any

__all__ = ["NotUnicode", "plain_values"]


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
