"""Arrow's columns as values that databases take."""

from __future__ import annotations

import json
from typing import Any

from ..values import plain_values, to_microseconds

__all__ = ["json_text", "values_for_sql"]


def values_for_sql(column: Any) -> list[Any]:
    """The values of an Arrow array; times to the nanosecond are cut to the microsecond.

    Databases have no finer ones, and Python has none.
    """
    return plain_values(to_microseconds(column))


def json_text(value: object) -> str:
    """Lists and objects as JSON; what JSON has no word for as text."""
    return json.dumps(value, ensure_ascii=False, default=str)
