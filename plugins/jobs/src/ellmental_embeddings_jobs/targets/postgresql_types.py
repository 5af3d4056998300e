"""Arrow's types as PostgreSQL's, and vectors in pgvector's binary form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .plain import json_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["has_nul", "sql_type", "sql_value", "vector_bytes"]


def sql_type(kind: Any) -> str:
    """The type of PostgreSQL that holds every value of an Arrow type."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return sql_type(kind.value_type)
    if types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    if kind == pa.uint64():
        return "numeric"
    for matches, name in (
        (types.is_boolean, "boolean"),
        (types.is_integer, "bigint"),
        (types.is_floating, "double precision"),
        (types.is_decimal, "numeric"),
        (types.is_date, "date"),
        (types.is_time, "time"),
        (types.is_duration, "interval"),
        (types.is_binary, "bytea"),
        (types.is_large_binary, "bytea"),
        (types.is_fixed_size_binary, "bytea"),
        (types.is_nested, "jsonb"),
    ):
        if matches(kind):
            return name
    return "text"


def sql_value(kind: Any) -> Callable[[Any], Any] | None:
    """What makes psycopg's values of Python's; None where they are the same."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return sql_value(kind.value_type)
    if sql_type(kind) == "text" and not (
        pa.types.is_string(kind) or pa.types.is_large_string(kind)
    ):
        return lambda value: None if value is None else str(value)
    if not pa.types.is_nested(kind):
        return None

    def as_json(value: object) -> object:
        from psycopg.types.json import Jsonb

        return None if value is None else Jsonb(value, dumps=json_text)

    return as_json


def vector_bytes(vectors: NDArray[np.float32], *, halfvec: bool) -> list[bytes]:
    """Each vector as pgvector's ``vector_recv`` or ``halfvec_recv`` reads it.

    That is: the number of dimensions and a zero as 16-bit integers, then the numbers, all of
    them big-endian (pgvector, src/vector.c and src/halfvec.c).
    """
    width = vectors.shape[1]
    kind = np.dtype([("width", ">i2"), ("zero", ">i2"), ("x", ">f2" if halfvec else ">f4", width)])
    rows = np.zeros(len(vectors), dtype=kind)
    rows["width"] = width
    rows["x"] = vectors
    return [row.tobytes() for row in rows]


def has_nul(value: object) -> bool:
    """Whether a text, or a text within lists and objects, has the character NUL."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(map(has_nul, value)) or any(map(has_nul, value.values()))
    return isinstance(value, list | tuple) and any(map(has_nul, value))
