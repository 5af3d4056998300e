"""Arrow's columns as values that databases take."""

from __future__ import annotations

import json
from typing import Any

from ..values import plain_values

__all__ = ["json_text", "values_for_sql"]


def values_for_sql(column: Any) -> list[Any]:
    """The values of an Arrow array; times to the nanosecond are cut to the microsecond.

    Databases have no finer ones, and Python has none.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    elif pa.types.is_time64(kind) and kind.unit == "ns":
        column = column.cast(pa.time64("us"), safe=False)
    return plain_values(column)


def json_text(value: object) -> str:
    """Lists and objects as JSON; what JSON has no word for as text."""
    return json.dumps(value, ensure_ascii=False, default=str)
